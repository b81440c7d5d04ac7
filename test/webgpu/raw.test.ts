import * as tf from "@tensorflow/tfjs-core"
import { describe, expect, it } from "vitest"
import { accumulate, accumulateForward, clampForward, finiteForward, selectForward } from "../../lib/ops/raw.ts"
import { byKernel, expectAgreement, normals } from "./compare.ts"
import { onGpu } from "./device.ts"

const one = (value: number) => ({ shape: [1], values: Float32Array.of(value) })

describe("arithmetic outside the tape, on WebGPU", () => {
  it("clamp bounds whatever is a number and leaves a NaN", async () => {
    for (const shape of [[1], [3, 5], [4, 33]]) {
      const x = normals("x", shape, 3)
      await expectAgreement(clampForward, { x }, { lo: -1, hi: 2 }, 0)
    }
    const x = { shape: [5], values: Float32Array.of(Number.NaN, Infinity, -Infinity, 0, 3) }
    await expectAgreement(clampForward, { x }, { lo: -1, hi: 2 }, 0)
    const four = { shape: [4], values: x.values.slice(0, 4) }
    expect((await byKernel(clampForward, { x: four }, { lo: -1, hi: 2 })).y).toEqual(
      Float32Array.of(Number.NaN, 2, -1, 0)
    )
  })

  it("a sum grows in place where nobody else holds it, and by a copy where somebody does", async () => {
    const { sums, held } = await onGpu(() => {
      const values = [1, 2, 3, 4, 5]
      const x = tf.tensor1d(values)
      const held = tf.tensor1d(values)
      const alias = held.clone()
      const own = accumulate(tf.tensor1d(values), x)
      const twice = accumulate(own, x)
      const copied = accumulate(alias, x)
      const doubled = tf.tensor1d([1, 2, 3, 4])
      return { sums: [twice, copied, accumulate(doubled, doubled)], held }
    })
    expect(await Promise.all(sums.map(async (sum) => [...await sum.data()]))).toEqual([
      [3, 6, 9, 12, 15],
      [2, 4, 6, 8, 10],
      [2, 4, 6, 8]
    ])
    expect([...await held.data()]).toEqual([1, 2, 3, 4, 5])
    for (const shape of [[1], [7, 12]]) {
      await expectAgreement(accumulateForward, { sum: normals("sum", shape), x: normals("x", shape) }, {}, 0)
    }
  })

  it("finite is 1 for finite numbers alone, wherever another stands", async () => {
    for (const size of [1, 3, 300]) {
      const x = normals("x", [size])
      expect((await expectAgreement(finiteForward, { x }, {}, 0)).y[0]).toBe(1)
      for (const broken of [Number.NaN, Infinity, -Infinity]) {
        x.values[size - 1] = broken
        expect((await byKernel(finiteForward, { x }, {})).y[0]).toBe(0)
      }
    }
  })

  it("select takes the bits of one of both, whatever the other holds", async () => {
    for (const shape of [[3], [2, 4]]) {
      const a = normals("a", shape), b = normals("b", shape)
      b.values[0] = Number.NaN
      for (const isOn of [1, 0, -0, Number.NaN]) await expectAgreement(selectForward, { isOn: one(isOn), a, b }, {}, 0)
      expect((await byKernel(selectForward, { isOn: one(1), a, b }, {})).y).toEqual(a.values)
    }
  })
})
