import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as ops from "../../lib/ops/index.ts"
import { onEachEngine, runs } from "../engines.ts"
import * as oracle from "../reference/index.ts"
import { expectOracle, expectShapeError, forwardOf, noise, zeros } from "./against.ts"

describe("layerNorm", () => {
  onEachEngine(() => {
    it("output and gradients of x, gamma and beta, any width and both eps of the models", () => {
      const eps = fc.constantFrom(1e-5, 1e-6)
      fc.assert(
        fc.property(
          fc.nat(),
          fc.integer({ min: 1, max: 9 }),
          fc.integer({ min: 2, max: 131 }),
          eps,
          (seed, n, d, e) =>
            expectOracle({
              inputs: { x: noise(seed, "x", [2, n, d], 3), gamma: noise(seed, "g", [d]), beta: noise(seed, "b", [d]) },
              ours: (p) => ops.layerNorm(p.x, p.gamma, p.beta, e),
              oracle: (p) => oracle.layerNorm(p.x, p.gamma, p.beta, e),
              // A row of two nearly equal numbers has rstd up to eps^-1/2 and loses as many digits.
              limits: d < 8 ? { out: 1e-4, grad: 2e-3 } : { out: 1e-5, grad: 5e-5 }
            })
        ),
        runs(25)
      )
    })

    it("a width of 1 gives beta, and no gradient to x", () =>
      expectOracle({
        inputs: { x: noise(1, "x", [3, 1]), gamma: noise(1, "g", [1]), beta: noise(1, "b", [1]) },
        ours: (p) => ops.layerNorm(p.x, p.gamma, p.beta, 1e-5),
        oracle: (p) => oracle.layerNorm(p.x, p.gamma, p.beta, 1e-5)
      }))

    it("NaN and infinity spoil their row and no other", () => {
      const x = noise(2, "x", [3, 7])
      const inputs = { x, gamma: noise(2, "g", [7]), beta: noise(2, "b", [7]) }
      const norm = (data: oracle.F64) =>
        forwardOf({ ...inputs, x: data }, (p) => ops.layerNorm(p.x, p.gamma, p.beta, 1e-5)).data
      const clean = norm(x)
      for (const bad of [NaN, Infinity, -Infinity]) {
        const spoilt = norm(oracle.mapArray((v, i) => (i === 9 ? bad : v), x))
        expect(spoilt.slice(7, 14).every(Number.isNaN)).toBe(true)
        expect(spoilt.slice(0, 7)).toEqual(clean.slice(0, 7))
        expect(spoilt.slice(14)).toEqual(clean.slice(14))
      }
    })

    it("refuses weights of another width", () => {
      expectShapeError(
        () => ops.layerNorm(zeros(2, 3), zeros(2), zeros(3), 1e-5),
        "layerNorm",
        "gamma of shape [3]",
        "[2]"
      )
      expectShapeError(
        () => ops.layerNorm(zeros(2, 3), zeros(3), zeros(1), 1e-5),
        "layerNorm",
        "beta of shape [3]",
        "[1]"
      )
    })
  })
})
