import { describe, it } from "vitest"
import { contrastiveBackward, contrastiveForward } from "../../../../lib/ops/contrastive.ts"
import { expectComposition, noise, type Numbers, useEngine } from "../engine.ts"

useEngine(2)

const units = (name: string, b: number, e: number): Numbers => {
  const values = Float32Array.from(noise(name, [b, e]).values)
  for (let i = 0; i < b; i++) {
    const row = values.subarray(i * e, (i + 1) * e)
    const norm = Math.hypot(...row)
    row.forEach((v, j) => row[j] = v / norm)
  }
  return { shape: [b, e], values }
}

describe("contrastive kernel", () => {
  it("and its gradients equal their compositions, for one pair and many, small and large scales", () => {
    for (const [b, e] of [[1, 1], [1, 8], [2, 3], [7, 5], [130, 64]] as const) {
      for (const scale of [1, 14.3, 100]) {
        const inputs = { u: units("u", b, e), t: units("t", b, e), scale: { shape: [], values: [scale] } }
        const { p, q } = expectComposition(contrastiveForward, inputs, {})
        if (p === undefined || q === undefined) throw new Error("no residuals")
        for (const detachColumns of [false, true]) {
          expectComposition(contrastiveBackward, { ...inputs, p, q }, { detachColumns }, 2e-5)
        }
      }
    }
  })

  it("counts a tie as a hit only where the diagonal comes first", () => {
    const same = { shape: [4, 2], values: [1, 0, 1, 0, 1, 0, 1, 0] }
    expectComposition(contrastiveForward, { u: same, t: same, scale: { shape: [], values: [10] } }, {})
  })
})
