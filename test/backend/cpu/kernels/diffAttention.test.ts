import { describe, it } from "vitest"
import { diffAttentionBackward, diffAttentionForward } from "../../../../lib/ops/diffAttention.ts"
import { expectComposition, noise, type Numbers, useEngine } from "../engine.ts"

useEngine(2)

const scalar = (x: number): Numbers => ({ shape: [], values: [x] })

const check = (
  [b, n, d, numHeads]: readonly [number, number, number, number],
  { causal = false, lambda = 0.8, deviation = 1, limit = 2e-5 }: {
    readonly causal?: boolean
    readonly lambda?: number
    readonly deviation?: number
    readonly limit?: number
  }
): void => {
  const shape = [b, n, d]
  const inputs = {
    q: noise("q", shape, deviation),
    k: noise("k", shape, deviation),
    v: noise("v", shape),
    lambda: scalar(lambda)
  }
  const { first, second } = expectComposition(diffAttentionForward, inputs, { numHeads, causal }, limit)
  if (first === undefined || second === undefined) throw new Error("no maps")
  const all = { dy: noise("dy", shape), ...inputs, first, second }
  expectComposition(diffAttentionBackward, all, { numHeads, causal }, limit)
}

describe("diffAttention kernel", () => {
  it("and its gradients equal their compositions, from one token to 197, with odd head widths", () => {
    const sizes = [[1, 1, 4, 2], [2, 1, 12, 4], [3, 5, 12, 4], [2, 17, 64, 4], [33, 24, 48, 4], [3, 6, 20, 4], [
      1,
      197,
      12,
      2
    ]] as const
    for (const size of sizes) for (const causal of [false, true]) check(size, { causal })
  })

  it("any lambda: zero, negative, above one", () => {
    for (const lambda of [0, -0.3, 1.7]) check([2, 6, 12, 2], { lambda })
  })

  it("large logits saturate alike", () => check([2, 9, 8, 2], { deviation: 30, limit: 1e-4 }))

  it("NaN in a query reaches its own row only", () => {
    const values = Float32Array.from(noise("q", [2, 5, 8]).values)
    values[9] = NaN
    const inputs = {
      q: { shape: [2, 5, 8], values },
      k: noise("k", [2, 5, 8]),
      v: noise("v", [2, 5, 8]),
      lambda: scalar(0.8)
    }
    expectComposition(diffAttentionForward, inputs, { numHeads: 2, causal: false })
  })
})
