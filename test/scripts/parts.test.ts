import process from "node:process"
import { describe, expect, it } from "vitest"
import { addCounts, closingLine, countsIn, countsOf, runPart } from "../../scripts/parts.ts"

describe("the closing line", () => {
  it("is read from the last line that has its form, and written in the same form", () => {
    const output = "1 passed, 9 failed\nTests 3 passed (3)\n5 passed, 0 failed, 2 skipped\n"
    expect(countsIn(output)).toEqual({ passed: 5, failed: 0, skipped: 2 })
    expect(closingLine({ passed: 5, failed: 0, skipped: 2 })).toBe("5 passed, 0 failed, 2 skipped")
    expect(closingLine({ passed: 5, failed: 1, skipped: 0 })).toBe("5 passed, 1 failed")
    expect(countsIn("nothing of the kind")).toBeUndefined()
  })

  it("adds a failure for a part that ends badly without naming one, or says nothing", () => {
    expect(countsOf({ code: 1, output: "5 passed, 0 failed\n" })).toEqual({ passed: 5, failed: 1, skipped: 0 })
    expect(countsOf({ code: 1, output: "5 passed, 2 failed\n" })).toEqual({ passed: 5, failed: 2, skipped: 0 })
    expect(countsOf({ code: 0, output: "" }).failed).toBe(1)
    expect(countsOf({ code: 139, output: "" }).failed).toBe(1)
  })

  it("adds parts up", () => {
    const one = { passed: 1, failed: 2, skipped: 3 }
    expect(addCounts([one, one])).toEqual({ passed: 2, failed: 4, skipped: 6 })
  })
})

describe("a part", () => {
  it("gives its exit code and both of its streams", async () => {
    const program = "console.log('out'); console.error('err'); process.exitCode = 3"
    const { code, output } = await runPart(process.execPath, ["-e", program], { show: "collected" })
    expect(code).toBe(3)
    expect(output).toContain("out")
    expect(output).toContain("err")
  })

  it("that cannot start is a failure with the reason", async () => {
    const outcome = await runPart("/nowhere/at/all", [], { show: "collected" })
    expect(outcome.code).toBe(127)
    expect(outcome.output).toContain("/nowhere/at/all did not start")
  })
})
