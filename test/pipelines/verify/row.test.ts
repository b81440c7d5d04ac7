import { describe, expect, it } from "vitest"
import { abs, absoluteError, compare, err, exact, measuredRow, relativeError } from "../../../pipelines/verify/row.ts"

describe("the error measures", () => {
  it("err divides by the largest expected number, but by no less than 1", () => {
    expect(relativeError([0.25, 0.5], [0.25, 0.25])).toBe(0.25)
    expect(relativeError([4, -10], [4, -8])).toBe(0.25)
    expect(absoluteError([4, -10], [4, -8])).toBe(2)
  })

  it.each([
    [[Number.NaN], [0]],
    [[0], [Number.NaN]],
    [[Number.NaN], [Number.NaN]],
    [[1], [1, 1]],
    [[], [0]],
    [[Infinity], [0]],
    [[0], [Infinity]]
  ])("%j against %j never passes", (found, expected) => {
    for (const limit of [abs(1e9), err(1e9), abs(0)]) {
      expect(compare("f", "t", found, expected, limit).verdict).toBe("failed")
    }
  })

  it("a limit is included, the next number is not", () => {
    expect(measuredRow("f", "t", 1e-5, 1e-5).verdict).toBe("passed")
    expect(measuredRow("f", "t", 1.0000001e-5, 1e-5).verdict).toBe("failed")
    expect(measuredRow("f", "t", Number.NaN, Infinity).verdict).toBe("failed")
    expect(compare("f", "t", [1, 2], [1, 2], exact).verdict).toBe("passed")
    expect(compare("f", "t", [1, 2 + 2 ** -51], [1, 2], exact).verdict).toBe("failed")
  })

  it("other lengths say so", () => {
    expect(compare("f", "t", [1], [1, 2], exact).note).toBe("expected 2 numbers as stored, computed 1")
  })
})
