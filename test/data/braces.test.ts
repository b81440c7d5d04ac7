import { Result } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { expandBraces } from "../../lib/data/index.ts"

const paths = (pattern: string, maxCount?: number) => Result.getOrThrow(expandBraces(pattern, maxCount))
const problem = (pattern: string, maxCount?: number) => Result.getOrThrow(Result.flip(expandBraces(pattern, maxCount)))

describe("shard patterns", () => {
  it("a range keeps its padding and has both ends", () => {
    expect(paths("d/{00000..00331}.tar")).toHaveLength(332)
    expect(paths("{00008..00011}.tar")).toEqual(["00008.tar", "00009.tar", "00010.tar", "00011.tar"])
    expect(paths("{8..11}")).toEqual(["8", "9", "10", "11"])
    expect(paths("{08..101}")[0]).toBe("008")
    expect(paths("{3..1}")).toEqual(["3", "2", "1"])
    expect(paths("{0..7..3}")).toEqual(["0", "3", "6"])
  })

  it("lists, nesting, cross products and `::` come in the order of the shell", () => {
    expect(paths("{a,b}/{0..1}.tar")).toEqual(["a/0.tar", "a/1.tar", "b/0.tar", "b/1.tar"])
    expect(paths("{a,b{1,2}}")).toEqual(["a", "b1", "b2"])
    expect(paths("x{,y}")).toEqual(["x", "xy"])
    expect(paths("a.tar::{b,c}.tar")).toEqual(["a.tar", "b.tar", "c.tar"])
  })

  it("what is no pattern is a ShardError that says why", () => {
    for (
      const pattern of [
        "{a",
        "a}",
        "{a}",
        "{1..}",
        "{a,{b}",
        "a::",
        "${HOME}/a.tar",
        "{1..5..0}",
        "{1..99999999999999999}"
      ]
    ) {
      expect(problem(pattern), pattern).toMatchObject({ _tag: "ShardError", reason: "pattern" })
    }
    expect(problem("{a").message).toContain("is not closed")
  })

  it("above the cap nothing is made, not even for a product of ranges that would fill memory", () => {
    expect(problem("{0..999999999}").message).toContain("cap of 1000000")
    expect(problem("{0..9999}{0..9999}{0..9999}{0..9999}").reason).toBe("pattern")
    expect(paths("{1..3}{1..3}", 9)).toHaveLength(9)
    expect(problem("{1..3}{1..3}", 8).reason).toBe("pattern")
    expect(problem("{1..3}::{1..3}", 5).reason).toBe("pattern")
  })

  it("a range holds every number once, each as wide as its written end", () => {
    fc.assert(fc.property(fc.nat(500), fc.nat(60), fc.integer({ min: 4, max: 7 }), (low, count, width) => {
      const pad = (n: number) => String(n).padStart(width, "0")
      const expected = Array.from({ length: count + 1 }, (_, i) => `s${pad(low + i)}.tar`)
      expect(paths(`s{${pad(low)}..${pad(low + count)}}.tar`)).toEqual(expected)
    }))
  })

  it("a product has as many paths as its factors multiplied, all different when the parts are", () => {
    const list = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,3}$/), { minLength: 2, maxLength: 4 })
    fc.assert(fc.property(fc.array(list, { minLength: 1, maxLength: 4 }), (lists) => {
      const found = paths(lists.map((parts) => `{${parts.join(",")}}`).join("/"))
      expect(found).toHaveLength(lists.reduce((n, parts) => n * parts.length, 1))
      expect(new Set(found).size).toBe(found.length)
    }))
  })

  it("any text without braces and colons is itself, and any text at all gives paths or a ShardError", () => {
    fc.assert(fc.property(fc.stringMatching(/^[a-z0-9./_-]{1,30}$/), (text) => {
      expect(paths(text)).toEqual([text])
    }))
    const anything = fc.string({ unit: fc.constantFrom("{", "}", ",", "..", "0", "a", "::", "$"), maxLength: 20 })
    fc.assert(fc.property(anything, (text) => {
      const result = expandBraces(text, 1000)
      expect(Result.isSuccess(result) || result.failure._tag === "ShardError").toBe(true)
    }))
  })
})
