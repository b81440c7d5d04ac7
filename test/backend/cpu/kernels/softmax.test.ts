import { describe, expect, it } from "vitest"
import { softmaxBackward, softmaxForward } from "../../../../lib/ops/softmax.ts"
import { expectComposition, noise, useEngine } from "../engine.ts"

useEngine(2)

describe("softmax kernel", () => {
  it("equals its composition, masked or not, also for large logits", () => {
    for (const n of [1, 2, 5, 197]) {
      for (const causal of [false, true]) {
        for (const deviation of [1, 100]) {
          expectComposition(softmaxForward, { x: noise("x", [2, n, n], deviation) }, { causal })
        }
      }
    }
  })

  it("masked columns are exactly zero and rows sum to 1", () => {
    const { y } = expectComposition(softmaxForward, { x: noise("x", [3, 9, 9]) }, { causal: true })
    for (let row = 0; row < 27; row++) {
      const values = Array.from({ length: 9 }, (_, c) => y?.values[row * 9 + c] ?? NaN)
      expect(values.slice(row % 9 + 1).every((v) => v === 0)).toBe(true)
      expect(values.reduce((a, b) => a + b)).toBeCloseTo(1, 6)
    }
  })

  it("NaN makes its row NaN and no other", () => {
    const x = noise("x", [2, 7, 7])
    const values = Float32Array.from(x.values)
    values[3 * 7 + 2] = NaN
    expectComposition(softmaxForward, { x: { shape: x.shape, values } }, { causal: false })
  })

  it("the gradient equals its composition", () => {
    for (const shape of [[1, 1], [2, 3, 5], [4, 197, 197]]) {
      expectComposition(softmaxBackward, { dy: noise("dy", shape), y: noise("y", shape) }, {}, 3e-5)
    }
  })
})
