import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as ops from "../../lib/ops/index.ts"
import { onEachEngine, runs } from "../engines.ts"
import * as oracle from "../reference/index.ts"
import { expectOracle, expectShapeError, forwardOf, noise, zeros } from "./against.ts"

const setting = fc.record({
  seed: fc.nat(),
  numTokens: fc.constantFrom(1, 2, 5, 17),
  headDim: fc.constantFrom(1, 3, 5, 7, 8),
  numHeads: fc.constantFrom(1, 2, 3, 4),
  mask: fc.constantFrom("none", "causal")
})

const inputsOf = (seed: number, b: number, n: number, d: number, std = 1) => ({
  q: noise(seed, "q", [b, n, d], std),
  k: noise(seed, "k", [b, n, d]),
  v: noise(seed, "v", [b, n, d])
})

describe("attention", () => {
  onEachEngine(() => {
    it("output and gradients, one token, odd head widths, odd heads and the mask included", () => {
      fc.assert(
        fc.property(setting, ({ seed, numTokens, headDim, numHeads, mask }) =>
          expectOracle({
            inputs: inputsOf(seed, 2, numTokens, headDim * numHeads),
            ours: (p) => ops.attention(p.q, p.k, p.v, { numHeads, mask }),
            oracle: (p) => oracle.attention({ ...p, numHeads, causal: mask === "causal" }).out
          })),
        runs(25)
      )
    })

    it.each(["none", "causal"] as const)("maps of several blocks of rows, mask %s", (mask) => {
      expectOracle({
        inputs: inputsOf(4, 1, 261, 6),
        ours: (p) => ops.attention(p.q, p.k, p.v, { numHeads: 2, mask }),
        oracle: (p) => oracle.attention({ ...p, numHeads: 2, causal: mask === "causal" }).out
      })
    })

    it("large scores: one key takes nearly all, and nothing overflows", () => {
      fc.assert(
        fc.property(setting, ({ seed, numTokens, headDim, numHeads, mask }) =>
          expectOracle({
            inputs: inputsOf(seed, 1, numTokens, headDim * numHeads, 25),
            ours: (p) => ops.attention(p.q, p.k, p.v, { numHeads, mask }),
            oracle: (p) => oracle.attention({ ...p, numHeads, causal: mask === "causal" }).out,
            // Scores near 100 carry 1e-5; their softmax and its gradients carry that on (GOLDENS 3, saturated cases).
            limits: { out: 1e-4, grad: 5e-3 }
          })),
        runs(15)
      )
    })

    it("later tokens cannot be seen through the mask, not by a bit", () => {
      fc.assert(
        fc.property(setting, fc.nat(), ({ seed, numTokens, headDim, numHeads }, cut) => {
          const d = headDim * numHeads
          const seen = 1 + (cut % numTokens)
          const inputs = inputsOf(seed, 1, numTokens, d)
          const change = (x: oracle.F64) => oracle.mapArray((value, i) => (i < seen * d ? value : 7 - 3 * value), x)
          const changed = { q: change(inputs.q), k: change(inputs.k), v: change(inputs.v) }
          const run = (given: typeof inputs) =>
            forwardOf(given, (p) => ops.attention(p.q, p.k, p.v, { numHeads, mask: "causal" })).data.slice(0, seen * d)
          expect(run(changed)).toEqual(run(inputs))
        }),
        runs(20)
      )
    })

    it("refuses k or v of another shape and heads that do not divide the width", () => {
      const options = { numHeads: 2, mask: "none" } as const
      const q = () => zeros(1, 3, 4)
      expectShapeError(() => ops.attention(q(), zeros(1, 2, 4), q(), options), "attention", "[1, 3, 4]", "[1, 2, 4]")
      expectShapeError(() => ops.attention(q(), q(), zeros(1, 3, 6), options), "attention", "[1, 3, 4]", "[1, 3, 6]")
      expectShapeError(() => ops.attention(zeros(3, 4), q(), q(), options), "attention", "rank 3", "[3, 4]")
      const three = { numHeads: 3, mask: "none" } as const
      expectShapeError(() => ops.attention(q(), q(), q(), three), "attention", "divides the width 4", "numHeads 3")
    })
  })
})
