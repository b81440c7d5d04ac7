import { describe, it } from "vitest"
import { attentionBackward, attentionForward } from "../../../../lib/ops/attention.ts"
import { expectComposition, noise, type Numbers, useEngine } from "../engine.ts"

useEngine(2)

const check = (q: Numbers, k: Numbers, v: Numbers, numHeads: number, causal: boolean, limit: number): void => {
  const { map } = expectComposition(attentionForward, { q, k, v }, { numHeads, causal }, limit)
  if (map === undefined) throw new Error("no map")
  expectComposition(attentionBackward, { dy: noise("dy", q.shape), q, k, v, map }, { numHeads, causal }, limit)
}

describe("attention kernel", () => {
  it("and its gradients equal their compositions, from one token to 197, with odd head widths", () => {
    for (
      const [b, n, d, h] of [
        [1, 1, 2, 1],
        [2, 1, 6, 2],
        [3, 5, 10, 2],
        [2, 17, 64, 4],
        [33, 24, 48, 3],
        [3, 6, 21, 3],
        [
          1,
          197,
          12,
          2
        ]
      ] as const
    ) {
      for (const causal of [false, true]) {
        check(noise("q", [b, n, d]), noise("k", [b, n, d]), noise("v", [b, n, d]), h, causal, 2e-5)
      }
    }
  })

  it("large logits saturate alike", () => {
    check(noise("q", [2, 9, 8], 30), noise("k", [2, 9, 8], 30), noise("v", [2, 9, 8]), 2, false, 1e-4)
  })

  it("NaN in a query reaches its own row only", () => {
    const values = Float32Array.from(noise("q", [2, 5, 8]).values)
    values[9] = NaN
    const [k, v] = [noise("k", [2, 5, 8]), noise("v", [2, 5, 8])]
    expectComposition(attentionForward, { q: { shape: [2, 5, 8], values }, k, v }, { numHeads: 2, causal: false })
  })
})
