import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as ops from "../../lib/ops/index.ts"
import { onEachEngine, runs } from "../engines.ts"
import * as oracle from "../reference/index.ts"
import { expectOracle, expectShapeError, forwardOf, noise, zeros } from "./against.ts"

const mask = fc.constantFrom("none", "causal")
const size = fc.constantFrom(1, 2, 3, 5, 8, 17, 77)

describe("softmax", () => {
  onEachEngine(() => {
    it("output and gradient, with and without the mask, also for large scores", () => {
      fc.assert(
        fc.property(fc.nat(), size, mask, fc.constantFrom(1, 25), (seed, n, m, std) =>
          expectOracle({
            inputs: { x: noise(seed, "x", [2, 3, n, n], std) },
            ours: (p) => ops.softmax(p.x, m),
            oracle: (p) => oracle.softmax(p.x, { causal: m === "causal" })
          })),
        runs(25)
      )
    })

    it("rows sum to 1, and with the mask exact zeros stand above the diagonal", () => {
      fc.assert(
        fc.property(fc.nat(), fc.constantFrom(1, 2, 7, 77, 197), mask, fc.constantFrom(1, 25), (seed, n, m, std) => {
          const { data } = forwardOf({ x: noise(seed, "x", [n, n], std) }, (p) => ops.softmax(p.x, m))
          for (let row = 0; row < n; row++) {
            const cells = data.subarray(row * n, (row + 1) * n)
            expect(Math.abs(cells.reduce((sum, p) => sum + p, 0) - 1)).toBeLessThan(2e-6)
            if (m === "causal") expect(cells.subarray(row + 1).every((p) => p === 0)).toBe(true)
          }
        }),
        runs(12)
      )
    })

    it("a constant added to a row changes nothing, however large the scores are", () => {
      const x = oracle.f64([1, 4], [1, 2, 3, 4])
      const far = oracle.f64([1, 4], [1e4 + 1, 1e4 + 2, 1e4 + 3, 1e4 + 4])
      const y = forwardOf({ x }, (p) => ops.softmax(p.x)).data
      expect(oracle.errorOf(forwardOf({ x: far }, (p) => ops.softmax(p.x)).data, y)).toBeLessThan(1e-6)
    })

    it("NaN and plus infinity spoil their row and no other; minus infinity takes its place out", () => {
      const x = noise(3, "x", [3, 5])
      const clean = forwardOf({ x }, (p) => ops.softmax(p.x)).data
      const at = (bad: number) =>
        forwardOf({ x: oracle.mapArray((v, i) => (i === 7 ? bad : v), x) }, (p) => ops.softmax(p.x)).data
      for (const bad of [NaN, Infinity]) {
        expect(at(bad).slice(5, 10).every(Number.isNaN)).toBe(true)
        expect(at(bad).slice(0, 5)).toEqual(clean.slice(0, 5))
        expect(at(bad).slice(10)).toEqual(clean.slice(10))
      }
      const row = at(-Infinity).slice(5, 10)
      expect(row[2]).toBe(0)
      expect(Math.abs(row.reduce((sum, p) => sum + p, 0) - 1)).toBeLessThan(1e-6)
    })

    it("with the mask, no finite score above the diagonal is seen, not even a huge one", () => {
      const x = noise(4, "x", [4, 4])
      const huge = oracle.mapArray((v, i) => (i % 4 > Math.floor(i / 4) ? 3e38 : v), x)
      const masked = (data: oracle.F64) => forwardOf({ x: data }, (p) => ops.softmax(p.x, "causal"))
      expect(masked(huge)).toEqual(masked(x))
    })

    it("refuses a mask on a single row of scores", () =>
      expectShapeError(() => ops.softmax(zeros(3), "causal"), "softmax", "an axis -2", "[3]"))
  })
})
