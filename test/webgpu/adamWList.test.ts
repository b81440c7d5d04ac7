import * as tf from "@tensorflow/tfjs-core"
import { describe, expect, it } from "vitest"
import { adamW, adamWAll, adamWListUpdate, type AdamWPart } from "../../lib/ops/adamW.ts"
import { hasKernel } from "../../lib/ops/kernel.ts"
import { normals } from "./compare.ts"
import { engine, onGpu } from "./device.ts"

const shared = { beta1: 0.9, beta2: 0.98, eps: 1e-8, step: 3 }

const partOf = (n: number, i: number): AdamWPart => {
  const tensor = (name: string): tf.Tensor => tf.tensor1d(normals(`${name}${i}`, [n]).values.slice())
  return {
    p: tensor("p"),
    g: tensor("g"),
    m: tensor("m"),
    v: tf.tensor1d(normals(`v${i}`, [n]).values.map(Math.abs)),
    lr: 1e-2 * (1 + i % 3),
    weightDecay: i % 2
  }
}

describe("adamWList on the GPU", () => {
  it("updates each parameter as alone, to the bit, in one dispatch each and in place, under its own terms", async () => {
    const { gpu } = await engine()
    const sizes = [1, 7, 64, 4093, 4096, 1]
    const bits = async (isTogether: boolean): Promise<ReadonlyArray<Float32Array>> => {
      const { updated, made, dispatches } = await onGpu(() => {
        expect(hasKernel(adamWListUpdate.name)).toBe(true)
        const parts = sizes.map(partOf)
        const [buffers, before] = [tf.memory().numDataBuffers, gpu.counters().dispatches]
        const updated = isTogether ?
          adamWAll(parts, shared) :
          parts.map(({ p, g, m, v, lr, weightDecay }) => adamW(p, g, m, v, { ...shared, lr, weightDecay }))
        const made = tf.memory().numDataBuffers - buffers
        tf.dispose(parts.map(({ g }) => g))
        return { updated, made, dispatches: gpu.counters().dispatches - before }
      })
      expect([made, dispatches]).toEqual([0, sizes.length])
      const tensors = updated.flatMap(({ p, m, v }) => [p, m, v])
      const read: Array<Float32Array> = []
      for (const tensor of tensors) read.push(Float32Array.from(await tensor.data()))
      tf.dispose(tensors)
      return read
    }
    expect(await bits(true)).toEqual(await bits(false))
  })

  it("a parameter that somebody else holds too keeps its numbers there", async () => {
    const { held, updated } = await onGpu(() => {
      const part = partOf(64, 0)
      const held = tf.reshape(part.p, [8, 8])
      const updated = adamWAll([part, partOf(64, 1)], shared)
      part.g.dispose()
      return { held, updated }
    })
    const old = normals("p0", [64]).values
    expect(Float32Array.from(await held.data())).toEqual(old)
    expect(Float32Array.from(await updated[0]?.p.data() ?? [])).not.toEqual(old)
    tf.dispose([held, ...updated.flatMap(({ p, m, v }) => [p, m, v])])
  })
})
