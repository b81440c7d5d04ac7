import * as fc from "fast-check"
import { expect, it } from "vitest"
import * as ops from "../../lib/ops/index.ts"
import { onEachEngine, runs } from "../engines.ts"
import * as oracle from "../reference/index.ts"
import { expectOracle, forwardOf, noise } from "./against.ts"

/** What both activations promise, on each engine, against the oracle of the same name. */
export const testActivation = (name: "gelu" | "quickGelu"): void => {
  onEachEngine(() => {
    it("output and gradient, also where it saturates", () => {
      const size = fc.integer({ min: 1, max: 133 })
      fc.assert(
        fc.property(fc.nat(), size, fc.constantFrom(0.1, 1, 25), (seed, n, std) =>
          expectOracle({
            inputs: { x: noise(seed, "x", [n], std) },
            ours: (p) => ops[name](p.x),
            oracle: (p) => oracle[name](p.x),
            limits: { out: 2e-6, grad: 2e-6 } // elementwise: the error of the exponential alone
          })),
        runs(25)
      )
    })

    it("NaN stays where it is; plus infinity stays, far below zero nothing is left", () => {
      const x = oracle.f64([7], [NaN, 1, Infinity, 100, -100, 0, 3])
      const y = [...forwardOf({ x }, (p) => ops[name](p.x)).data]
      expect(y[0]).toBeNaN()
      expect(y.slice(2, 4)).toEqual([Infinity, 100])
      expect(Math.abs(y[4] ?? NaN)).toBeLessThan(1e-30)
      expect(y[5]).toBe(0)
      expect(y[6]).toBeGreaterThan(2.9)
    })
  })
}
