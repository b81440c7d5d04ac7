import * as tf from "@tensorflow/tfjs-core"
import { describe, expect, it } from "vitest"
import { adamW, adamWUpdate, sumSquaresForward } from "../../../../lib/ops/adamW.ts"
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

  it("the sum of squares equals its composition", () => {
    for (const n of [1, 5, 40_001]) expectComposition(sumSquaresForward, { x: noise("x", [n]) }, {}, 1e-4)
  })
})
