import * as tf from "@tensorflow/tfjs-core"
import { describe, expect, it } from "vitest"
import { registerCpu } from "../../../../lib/backend/cpu/register.ts"
import { run } from "../../../../lib/ops/kernel.ts"
import { mlpForward, mlpHiddenBackward } from "../../../../lib/ops/mlp.ts"
import { evaluate, expectComposition, noise, numbers, useEngine } from "../engine.ts"

useEngine(2)

const inputsOf = (r: number, k: number, h: number, m: number) => ({
  x: noise("x", [r, k]),
  w1: noise("w1", [h, k], k ** -0.5),
  b1: noise("b1", [h]),
  w2: noise("w2", [m, h], h ** -0.5),
  b2: noise("b2", [m])
})

describe("mlp kernels", () => {
  it("equal their compositions at odd sizes, one row, and sizes that the threads share", () => {
    for (const activation of ["gelu", "quickGelu"] as const) {
      for (const [r, k, h, m] of [[1, 1, 1, 1], [5, 7, 13, 3], [17, 8, 32, 8], [197, 65, 131, 33]] as const) {
        expectComposition(mlpForward, inputsOf(r, k, h, m), { activation })
        const inputs = { dpost: noise("dpost", [r, h]), pre: noise("pre", [r, h], 3) }
        expectComposition(mlpHiddenBackward, inputs, { activation })
      }
    }
  })

  it("NaN and infinity go where the composition lets them", () => {
    const pre = { shape: [2, 3], values: [NaN, 1, 30, -1, 40, -50] }
    const spoilt = { ...inputsOf(3, 2, 5, 2), x: { shape: [3, 2], values: [NaN, 1, 2, 3, 4, 5] } }
    for (const activation of ["gelu", "quickGelu"] as const) {
      expectComposition(mlpHiddenBackward, { dpost: noise("dpost", [2, 3]), pre }, { activation })
      expectComposition(mlpForward, spoilt, { activation })
    }
  })

  it("the backward pass writes over the incoming gradient unless somebody else reads it", () => {
    const attrs = { activation: "gelu" } as const
    tf.tidy(() => {
      const [dpost, pre] = [tf.tensor2d(numbers("d", 12), [3, 4]), tf.tensor2d(numbers("x", 12), [3, 4])]
      const view = tf.reshape(dpost, [4, 3])
      const old = [...view.dataSync()]
      const shared = run(mlpHiddenBackward, { dpost, pre }, attrs)
      expect([...view.dataSync()]).toEqual(old)
      view.dispose()
      const own = run(mlpHiddenBackward, { dpost, pre }, attrs)
      expect(own.dpre.dataId).toBe(dpost.dataId)
      expect([...own.dpre.dataSync()]).toEqual([...shared.dpre.dataSync()])
    })
  })

  it("the bits are those of one thread", async () => {
    const inputs = { dpost: noise("dpost", [197, 131]), pre: noise("pre", [197, 131]) }
    const grads = (tensors: Readonly<Record<string, tf.Tensor>>) => {
      const { dpost, pre } = tensors
      if (dpost === undefined || pre === undefined) throw new Error("no input")
      return run(mlpHiddenBackward, { dpost, pre }, { activation: "quickGelu" })
    }
    const two = evaluate("diffclip-cpu", inputs, grads)
    const one = await registerCpu({ threads: 1 })
    expect(evaluate("diffclip-cpu", inputs, grads)).toEqual(two)
    one.close()
    const again = await registerCpu({ threads: 2 })
    again.close()
  })
})
