import { describe, it } from "vitest"
import { rmsNormBackward, rmsNormForward } from "../../../../lib/ops/rmsNorm.ts"
import { expectComposition, noise, useEngine } from "../engine.ts"

useEngine(2)

describe("rmsNorm kernel", () => {
  it("and its gradients equal their compositions, with a constant factor", () => {
    for (const [r, d] of [[1, 1], [1, 5], [3, 7], [17, 128], [600, 70]] as const) {
      const gamma = noise("gamma", [d]), x = noise("x", [r, d], 2)
      const { rstd } = expectComposition(rmsNormForward, { x, gamma }, { eps: 1e-5, scale: 0.2 })
      if (rstd === undefined) throw new Error("no statistics")
      expectComposition(rmsNormBackward, { dy: noise("dy", [r, d]), x, gamma, rstd }, { scale: 0.2 }, 2e-5)
    }
  })
})
