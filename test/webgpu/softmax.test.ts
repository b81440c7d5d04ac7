import { describe, expect, it } from "vitest"
import { softmaxBackward, softmaxForward } from "../../lib/ops/softmax.ts"
import { byKernel, expectAgreement, normals } from "./compare.ts"

const SHAPES = [[1], [1, 1], [2, 2, 5, 7], [2, 33, 32], [3, 1100]] as const

describe("softmax on WebGPU", () => {
  it("agrees with the composition for rows of any width, and so does its gradient", async () => {
    for (const shape of SHAPES) {
      const x = normals("x", shape, 4)
      const { y } = await expectAgreement(softmaxForward, { x }, { causal: false }, 1e-6)
      await expectAgreement(softmaxBackward, { dy: normals("dy", shape), y: { shape, values: y } }, {}, 1e-6)
    }
  })

  it("causal: what comes later is exactly 0, even where it is NaN, and rows sum to 1", async () => {
    for (const shape of [[2, 2, 7, 7], [2, 33, 32], [1, 17, 16]]) {
      const [rows = 0, cols = 0] = shape.slice(-2)
      const x = normals("x", shape, 4)
      x.values[cols - 1] = Number.NaN // row 0 sees column 0 alone
      const { y } = await expectAgreement(softmaxForward, { x }, { causal: true }, 1e-6)
      y.forEach((value, i) => {
        if (i % cols > Math.floor(i / cols) % rows) expect(value).toBe(0)
      })
      expect(y.slice(0, cols).reduce((sum, value) => sum + value, 0)).toBe(1)
    }
  })

  it("large scores do not overflow, and a NaN or an infinity shows in its row alone", async () => {
    const values = Float32Array.of(3e38, 1, -3e38, -3e38, -3e38, -3e38, 5, 5, 5, 1, 0, 2)
    const x = { shape: [4, 3], values }
    await expectAgreement(softmaxForward, { x }, { causal: false }, 1e-6)
    for (const broken of [Number.NaN, Infinity]) {
      values[10] = broken
      // Some software adapters take exp(NaN) for Infinity: the NaN shows, but not in every column.
      const { y } = await byKernel(softmaxForward, { x }, { causal: false })
      expect([y.slice(0, 9), y.slice(9)].map((part) => part.some(Number.isNaN))).toEqual([false, true])
    }
  })
})
