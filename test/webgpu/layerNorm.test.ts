import * as tf from "@tensorflow/tfjs-core"
import { describe, expect, it } from "vitest"
import { run } from "../../lib/ops/kernel.ts"
import { layerNormBackward, layerNormForward } from "../../lib/ops/layerNorm.ts"
import { byComposition, byKernel, expectAgreement, normals } from "./compare.ts"
import { onGpu } from "./device.ts"

/** Rows and columns: one number, narrow rows, several threads a row, and several chunks of rows. Few shaders. */
const SIZES = [[1, 1], [17, 7], [33, 768], [200, 7]] as const

const given = (rows: number, cols: number) => {
  const x = normals("x", [rows, cols], 3)
  return {
    x: { ...x, values: x.values.map((value) => value + 5) }, // a mean that is no rounding error
    gamma: normals("gamma", [cols]),
    beta: normals("beta", [cols])
  }
}

const backward = (rows: number, cols: number) => {
  const inputs = given(rows, cols)
  const { mean, rstd } = byComposition(layerNormForward, inputs, { eps: 1e-5 })
  const { x, gamma } = inputs
  const stats = { mean: { shape: [rows], values: mean }, rstd: { shape: [rows], values: rstd } }
  return { dy: normals("dy", [rows, cols]), x, gamma, ...stats }
}

describe("layer norm on WebGPU", () => {
  it("agrees with the composition for rows of any width", async () => {
    for (const [rows, cols] of SIZES) {
      await expectAgreement(layerNormForward, given(rows, cols), { eps: 1e-5 }, 1e-6)
    }
  })

  it("its gradients agree, and repeat bit for bit", async () => {
    for (const [rows, cols] of SIZES.slice(1)) {
      const inputs = backward(rows, cols)
      const first = await expectAgreement(layerNormBackward, inputs, {}, 1e-6)
      expect(await byKernel(layerNormBackward, inputs, {})).toEqual(first)
    }
  })

  it("a NaN shows in its own row, and in the gradients of its column alone", async () => {
    const inputs = backward(17, 7)
    inputs.x.values[10] = Number.NaN
    const { y } = await expectAgreement(layerNormForward, { ...given(17, 7), x: inputs.x }, { eps: 1e-5 }, 1e-6)
    expect([...y.keys()].filter((i) => Number.isNaN(y[i]))).toEqual([7, 8, 9, 10, 11, 12, 13])
    await expectAgreement(layerNormBackward, inputs, {}, 1e-6)
  })

  it("of no rows there is nothing, and the gradients are zeros", async () => {
    const { forward, grads } = await onGpu(() => {
      const x = tf.zeros([0, 4]), gamma = tf.ones([4]), stats = tf.zeros([0])
      return {
        forward: run(layerNormForward, { x, gamma, beta: gamma }, { eps: 1e-5 }),
        grads: run(layerNormBackward, { dy: x, x, gamma, mean: stats, rstd: stats }, {})
      }
    })
    expect([forward.y.shape, forward.mean.shape, forward.rstd.shape, grads.dx.shape]).toEqual([[0, 4], [0], [0], [
      0,
      4
    ]])
    expect([[...await grads.dgamma.data()], [...await grads.dbeta.data()]]).toEqual([[0, 0, 0, 0], [0, 0, 0, 0]])
  })
})
