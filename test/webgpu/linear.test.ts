import { describe, expect, it } from "vitest"
import { linear } from "../../lib/backend/webgpu/kernels/linear.ts"
import { linearForward } from "../../lib/ops/matmul.ts"
import * as tf from "@tensorflow/tfjs-core"
import { byKernel, errorOf, expectAgreement, normals } from "./compare.ts"
import { engine, onGpu } from "./device.ts"

const inputs = (rows: number, k: number, m: number) => ({
  x: normals("x", [rows, k]),
  weight: normals("weight", [m, k], 0.2),
  bias: normals("bias", [m])
})

describe("a linear layer on WebGPU", () => {
  it("agrees with the composition, widths of whole fours or not, long ones in parts", async () => {
    for (const [rows, k, m] of [[17, 16, 12], [33, 15, 31], [5, 1200, 10]] as const) {
      await expectAgreement(linearForward, inputs(rows, k, m), {}, 1e-6)
    }
  })

  it("is one dispatch, and has the same bits each time", async () => {
    const { gpu } = await engine()
    const given = inputs(17, 16, 12)
    const before = gpu.counters().dispatches
    const { y } = await byKernel(linearForward, given, {})
    expect(gpu.counters().dispatches).toBe(before + 1)
    expect((await byKernel(linearForward, given, {})).y).toEqual(y)
  })

  it("without inputs it gives its bias", async () => {
    const { y } = await byKernel(linearForward, inputs(2, 0, 4), {})
    const [...bias] = normals("bias", [4]).values
    expect([...y]).toEqual([...bias, ...bias])
  })

  it("adds a residual after the activation", async () => {
    const { gpu } = await engine()
    const given = inputs(17, 16, 12)
    const tensor = (host: { readonly shape: ReadonlyArray<number>; readonly values: Float32Array | Int32Array }) =>
      tf.tensor(host.values.slice(), [...host.shape], "float32")
    const residual = normals("residual", [17, 12])
    const y = await onGpu(() =>
      tf.tidy(() => {
        const [x, weight, bias] = [given.x, given.weight, given.bias].map(tensor)
        if (x === undefined || weight === undefined || bias === undefined) throw new Error("three tensors")
        const info = linear(gpu, { x, weight, bias, residual: tensor(residual), activation: "quickGelu" })
        return tf.engine().makeTensorFromTensorInfo(info)
      })
    )
    const found = await y.data<"float32">()
    y.dispose()
    tf.setBackend("cpu")
    const expected = tf.tidy(() => {
      const pre = tf.add(tf.matMul(tensor(given.x), tensor(given.weight), false, true), tensor(given.bias))
      return tf.add(tf.mul(pre, tf.sigmoid(tf.mul(pre, 1.702))), tensor(residual)).dataSync<"float32">()
    })
    expect(errorOf(found, expected)).toBeLessThanOrEqual(1e-6)
  })
})
