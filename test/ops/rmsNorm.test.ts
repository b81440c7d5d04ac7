import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as ops from "../../lib/ops/index.ts"
import { onEachEngine, runs } from "../engines.ts"
import * as oracle from "../reference/index.ts"
import { expectOracle, expectShapeError, forwardOf, noise, zeros } from "./against.ts"

describe("rmsNorm", () => {
  onEachEngine(() => {
    it("output and gradients of x and gamma, times a constant", () => {
      fc.assert(
        fc.property(
          fc.nat(),
          fc.integer({ min: 1, max: 9 }),
          fc.integer({ min: 1, max: 131 }),
          (seed, n, d) =>
            expectOracle({
              inputs: { x: noise(seed, "x", [2, n, d]), gamma: noise(seed, "g", [d]) },
              ours: (p) => ops.rmsNorm(p.x, p.gamma, 1e-5, 0.2),
              oracle: (p) => oracle.scale(oracle.rmsNorm(p.x, p.gamma, 1e-5), 0.2),
              // A single number near zero is divided by itself: the gradient grows as its inverse.
              limits: d < 4 ? { out: 1e-5, grad: 2e-3 } : { out: 1e-5, grad: 2e-5 }
            })
        ),
        runs(25)
      )
    })

    it("a row of zeros gives zeros, and its gradient is finite", () =>
      expectOracle({
        inputs: { x: oracle.zeros([2, 6]), gamma: noise(1, "g", [6]) },
        ours: (p) => ops.rmsNorm(p.x, p.gamma, 1e-5),
        oracle: (p) => oracle.rmsNorm(p.x, p.gamma, 1e-5)
      }))

    it("does not subtract the mean: a constant row keeps its sign", () => {
      const y = forwardOf(
        { x: oracle.f64([1, 3], [2, 2, 2]), gamma: oracle.f64([3], [1, 1, 1]) },
        (p) => ops.rmsNorm(p.x, p.gamma, 0)
      )
      expect(oracle.errorOf(y.data, [1, 1, 1])).toBeLessThan(1e-6)
    })

    it("NaN spoils its row and no other", () => {
      const x = noise(2, "x", [3, 7])
      const norm = (data: oracle.F64) =>
        forwardOf({ x: data, gamma: noise(2, "g", [7]) }, (p) => ops.rmsNorm(p.x, p.gamma, 1e-5)).data
      const spoilt = norm(oracle.mapArray((v, i) => (i === 9 ? NaN : v), x))
      expect(spoilt.slice(7, 14).every(Number.isNaN)).toBe(true)
      expect(spoilt.slice(0, 7)).toEqual(norm(x).slice(0, 7))
      expect(spoilt.slice(14)).toEqual(norm(x).slice(14))
    })

    it("refuses a weight of another width", () =>
      expectShapeError(() => ops.rmsNorm(zeros(2, 3), zeros(2), 1e-5), "rmsNorm", "gamma of shape [3]", "[2]"))
  })
})
