import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as ops from "../../lib/ops/index.ts"
import { onEachEngine, runs } from "../engines.ts"
import * as oracle from "../reference/index.ts"
import { expectOracle, forwardOf, noise } from "./against.ts"

describe("l2Normalize", () => {
  onEachEngine(() => {
    it("output and gradient of rows of any width", () => {
      fc.assert(
        fc.property(
          fc.nat(),
          fc.integer({ min: 1, max: 9 }),
          fc.integer({ min: 4, max: 131 }),
          (seed, n, d) =>
            expectOracle({
              inputs: { x: noise(seed, "x", [n, d]) },
              ours: (p) => ops.l2Normalize(p.x),
              oracle: (p) => oracle.l2Normalise(p.x)
            })
        ),
        runs(25)
      )
    })

    it("rows have length 1 whatever their scale, and a row of zeros stays zeros", () => {
      for (const scale of [1e-6, 1, 1e6]) {
        const y = forwardOf({ x: noise(1, "x", [1, 9], scale) }, (p) => ops.l2Normalize(p.x)).data
        expect(Math.abs(Math.hypot(...y) - 1)).toBeLessThan(1e-6)
      }
      expect([...forwardOf({ x: oracle.zeros([2, 3]) }, (p) => ops.l2Normalize(p.x)).data]).toEqual([0, 0, 0, 0, 0, 0])
    })

    it("NaN spoils its row and no other", () => {
      const x = oracle.f64([2, 2], [3, 4, NaN, 1])
      const y = forwardOf({ x }, (p) => ops.l2Normalize(p.x)).data
      expect(oracle.errorOf(y.slice(0, 2), [0.6, 0.8])).toBeLessThan(1e-6)
      expect(y.slice(2).every(Number.isNaN)).toBe(true)
    })
  })
})
