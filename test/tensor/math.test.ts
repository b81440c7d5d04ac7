import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { cosPi, exp, log } from "../../lib/tensor/index.ts"
import { runs } from "../engines.ts"

/** The distance to the next larger double of the same size. */
const ulpOf = (x: number): number => {
  const size = Math.max(Math.abs(x), 2 ** -1022)
  return 2 ** (Math.floor(Math.log2(size)) - 52)
}

const ulps = (found: number, expected: number): number => Math.abs(found - expected) / ulpOf(expected)
const double = (min: number, max: number) => fc.double({ min, max, noNaN: true })

describe("exp", () => {
  it("is within 2 units in the last place of Math.exp", () => {
    fc.assert(
      fc.property(fc.oneof(double(-708, 709.78), double(-2, 2), double(-1e-6, 1e-6)), (x) => {
        expect(ulps(exp(x), Math.exp(x))).toBeLessThanOrEqual(2)
      }),
      runs(5000)
    )
  })

  it("below the normal range errors stay under one step of the smallest numbers, and never turn negative", () => {
    fc.assert(
      fc.property(double(-745.13, -708), (x) => {
        expect(exp(x)).toBeGreaterThanOrEqual(0)
        expect(Math.abs(exp(x) - Math.exp(x))).toBeLessThanOrEqual(2 ** -1074 + 2 * 2 ** -52 * Math.exp(x))
      }),
      runs(500)
    )
  })

  it("has the ends of the real line", () => {
    expect([exp(0), exp(-Infinity), exp(Infinity), exp(710), exp(-746)]).toEqual([1, 0, Infinity, Infinity, 0])
    expect(exp(NaN)).toBeNaN()
    expect(exp(-0)).toBe(1)
  })
})

describe("log", () => {
  it("is within 2 units in the last place of Math.log, tiny and subnormal numbers included", () => {
    const anywhere = double(-1070, 1023).map((power) => 2 ** power)
    fc.assert(
      fc.property(fc.oneof(anywhere, double(0.5, 2), double(1 - 1e-6, 1 + 1e-6)), (x) => {
        expect(ulps(log(x), Math.log(x))).toBeLessThanOrEqual(2)
      }),
      runs(5000)
    )
  })

  it("has the ends of the real line", () => {
    expect([log(1), log(0), log(-0), log(Infinity)]).toEqual([0, -Infinity, -Infinity, Infinity])
    expect(log(-1)).toBeNaN()
    expect(log(NaN)).toBeNaN()
  })
})

describe("cosPi", () => {
  it("is within 6e-16 of Math.cos(pi t) on [-1, 1]: what the rounding of pi t and of both results allow", () => {
    fc.assert(
      fc.property(double(-1, 1), (t) => {
        expect(Math.abs(cosPi(t) - Math.cos(Math.PI * t))).toBeLessThanOrEqual(6e-16)
      }),
      runs(5000)
    )
  })

  it("is exact at multiples of a half, even, and has period 2", () => {
    for (const [t, c] of [[0, 1], [0.5, 0], [1, -1], [1.5, 0], [2, 1], [3, -1], [1e6, 1]] as const) {
      expect(cosPi(t) + 0).toBe(c)
    }
    fc.assert(
      fc.property(fc.integer({ min: -4096, max: 4096 }).map((n) => n / 1024), (t) => {
        expect(cosPi(-t)).toBe(cosPi(t))
        expect(cosPi(t + 2)).toBe(cosPi(t))
        expect(cosPi(t + 1)).toBe(-cosPi(t) + 0)
      }),
      runs(200)
    )
  })
})
