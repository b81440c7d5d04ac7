import { describe, it } from "vitest"
import { layerNormBackward, layerNormForward } from "../../../../lib/ops/layerNorm.ts"
import { expectComposition, noise, useEngine } from "../engine.ts"

useEngine(2)

describe("layerNorm kernel", () => {
  it("and its gradients equal their compositions, for fewer and more rows than partial sums", () => {
    for (const [r, d] of [[1, 1], [1, 5], [3, 7], [17, 64], [600, 70]] as const) {
      const gamma = noise("gamma", [d]), x = noise("x", [r, d], 2)
      const { mean, rstd } = expectComposition(
        layerNormForward,
        { x, gamma, beta: noise("beta", [d]) },
        { eps: 1e-5 },
        2e-5
      )
      if (mean === undefined || rstd === undefined) throw new Error("no statistics")
      expectComposition(layerNormBackward, { dy: noise("dy", [r, d]), x, gamma, mean, rstd }, {}, 2e-5)
    }
  })

  it("NaN stays in its row of y and reaches the gradients of gamma and beta as in the composition", () => {
    const x = { shape: [3, 5], values: Float32Array.from({ length: 15 }, (_, i) => (i === 7 ? NaN : Math.sin(i))) }
    const gamma = noise("gamma", [5])
    const { mean, rstd } = expectComposition(layerNormForward, { x, gamma, beta: noise("beta", [5]) }, { eps: 1e-5 })
    if (mean === undefined || rstd === undefined) throw new Error("no statistics")
    expectComposition(layerNormBackward, { dy: noise("dy", [3, 5]), x, gamma, mean, rstd }, {})
  })
})
