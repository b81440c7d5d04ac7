import * as tf from "@tensorflow/tfjs-core"
import { describe, expect, it } from "vitest"
import { registerCpu } from "../../../../lib/backend/cpu/register.ts"
import { adamW, adamWAll, adamWUpdate } from "../../../../lib/ops/adamW.ts"
import { expectComposition, noise, numbers, useEngine } from "../engine.ts"

useEngine(2)

const attrs = { lr: 1e-2, beta1: 0.9, beta2: 0.98, eps: 1e-8, weightDecay: 0.5, step: 3 }

describe("adamW kernel", () => {
  it("equals its composition at odd sizes and at sizes that the threads share", () => {
    for (const n of [1, 3, 4, 7, 20_003]) {
      const v = { shape: [n], values: numbers("v", n).map(Math.abs) }
      const inputs = { p: noise("p", [n]), g: noise("g", [n]), m: noise("m", [n]), v }
      for (const step of [1, 3, 1000]) expectComposition(adamWUpdate, inputs, { ...attrs, step })
    }
  })

  it("writes in place what it alone holds, and leaves alone what somebody else holds too", () => {
    const before = tf.memory().numDataBuffers
    const make = (name: string): tf.Tensor => tf.tensor1d(numbers(name, 9).map(Math.abs))
    const [p, g, m, v] = [make("p"), make("g"), make("m"), make("v")]
    const shared = tf.clone(p)
    const old = [...shared.dataSync()]
    const after = adamW(p, g, m, v, attrs)
    expect([...shared.dataSync()]).toEqual(old)
    expect([...after.p.dataSync()]).not.toEqual(old)
    expect(tf.memory().numDataBuffers).toBe(before + 5)
    const again = adamW(after.p, g, after.m, after.v, { ...attrs, step: 4 })
    expect(tf.memory().numDataBuffers).toBe(before + 5)
    tf.dispose([shared, g, again.p, again.m, again.v])
    expect(tf.memory().numDataBuffers).toBe(before)
  })

  it("the updates of many parameters have the bits of each alone, with one thread and with two", async () => {
    const sizes = Array.from({ length: 30 }, (_, i) => [1, 7, 64, 20_003, 4096][i % 5] ?? 1)
    const shared = { beta1: 0.9, beta2: 0.98, eps: 1e-8, step: 3 }
    const part = (n: number, i: number) => ({
      p: tf.tensor1d(numbers(`p${i}`, n)),
      g: tf.tensor1d(numbers(`g${i}`, n)),
      m: tf.tensor1d(numbers(`m${i}`, n)),
      v: tf.tensor1d(numbers(`v${i}`, n).map(Math.abs)),
      lr: 1e-2 * (1 + i % 3),
      weightDecay: i % 2
    })
    const bits = (all: boolean): ReadonlyArray<Float32Array> => {
      const parts = sizes.map(part)
      const updated = all ?
        adamWAll(parts, shared) :
        parts.map(({ p, g, m, v, lr, weightDecay }) => adamW(p, g, m, v, { ...shared, lr, weightDecay }))
      const read = updated.flatMap(({ p, m, v }) => [p, m, v].map((x) => Float32Array.from(x.dataSync())))
      tf.dispose([...parts.map(({ g }) => g), ...updated.flatMap(({ p, m, v }) => [p, m, v])])
      return read
    }
    const before = tf.memory().numDataBuffers
    const two = bits(true)
    expect(bits(false)).toEqual(two)
    const one = await registerCpu({ threads: 1 })
    expect(bits(true)).toEqual(two)
    one.close()
    const again = await registerCpu({ threads: 2 })
    again.close()
    expect(tf.memory().numDataBuffers).toBe(before)
  })

  it("writes over the parameters' own memory, but not over what a clone or a reshaped view still reads", () => {
    const make = (name: string): tf.Tensor => tf.tensor1d(numbers(name, 12).map(Math.abs))
    const part = (i: number) => ({ p: make(`p${i}`), g: make(`g${i}`), m: make(`m${i}`), v: make(`v${i}`) })
    const parts = [part(0), part(1), part(2)].map((tensors) => ({ ...tensors, lr: 0.1, weightDecay: 0.5 }))
    const [first, second, third] = parts
    if (first === undefined || second === undefined || third === undefined) throw new Error("three parts")
    const ids = parts.map(({ p }) => p.dataId)
    const held = [tf.clone(first.p), tf.reshape(second.v, [3, 4])]
    const old = held.map((x) => [...x.dataSync()])
    const updated = adamWAll(parts, { beta1: 0.9, beta2: 0.98, eps: 1e-8, step: 1 })
    expect(held.map((x) => [...x.dataSync()])).toEqual(old)
    expect(updated.map(({ p }, i) => p.dataId === ids[i])).toEqual([false, true, true])
    expect(updated[1]?.v.dataId).not.toBe(held[1]?.dataId)
    expect(parts.flatMap(({ p, g, m, v }) => [p, g, m, v].map((x) => x.isDisposed))).toEqual(
      parts.flatMap(() => [true, false, true, true])
    )
    tf.dispose([...held, ...parts.map(({ g }) => g), ...updated.flatMap(({ p, m, v }) => [p, m, v])])
  })

  it("refuses one tensor in two places before it writes anything", () => {
    const x = tf.ones([3])
    const part = { p: x, g: tf.ones([3]), m: x, v: tf.zeros([3]), lr: 1, weightDecay: 0 }
    expect(() => adamWAll([part], { beta1: 0.9, beta2: 0.98, eps: 1e-8, step: 1 })).toThrow("given twice")
    expect([...x.dataSync()]).toEqual([1, 1, 1])
    tf.dispose([x, part.g, part.v])
  })
})
