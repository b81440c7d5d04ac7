import * as tf from "@tensorflow/tfjs-core"
import { describe, expect, it } from "vitest"
import { registerCpu } from "../../../../lib/backend/cpu/register.ts"
import { contrastiveBackward, contrastiveForward } from "../../../../lib/ops/contrastive.ts"
import { run } from "../../../../lib/ops/kernel.ts"
import { evaluate, expectClose, expectComposition, noise, type Numbers, useEngine } from "../engine.ts"

const engine = useEngine(2)

const units = (name: string, b: number, e: number): Numbers => {
  const values = Float32Array.from(noise(name, [b, e]).values)
  for (let i = 0; i < b; i++) {
    const row = values.subarray(i * e, (i + 1) * e)
    const norm = Math.hypot(...row)
    row.forEach((v, j) => row[j] = v / norm)
  }
  return { shape: [b, e], values }
}

const inputsOf = (b: number, e: number, scale: number) => ({
  u: units("u", b, e),
  t: units("t", b, e),
  scale: { shape: [], values: [scale] }
})

/** Loss and gradients, both passes on one engine: statistics fit only the logits that they were made of. */
const both = (detachColumns: boolean) => (tensors: Readonly<Record<string, tf.Tensor>>) => {
  const { u, t, scale } = tensors
  if (u === undefined || t === undefined || scale === undefined) throw new Error("no input")
  const { loss, correct: _, ...statistics } = run(contrastiveForward, { u, t, scale }, {})
  const dy = tf.scalar(0.5)
  return { loss, ...statistics, ...run(contrastiveBackward, { dy, u, t, scale, ...statistics }, { detachColumns }) }
}

describe("contrastive kernel", () => {
  it("and its gradients equal their compositions, for one pair and many, small and large scales", () => {
    for (const [b, e] of [[1, 1], [1, 8], [2, 3], [7, 5], [130, 64], [523, 24]] as const) {
      for (const scale of [1, 14.3, 100]) {
        const inputs = inputsOf(b, e, scale)
        // Logits near 100 are rounded to 4e-6, which their exponentials carry on.
        expectComposition(contrastiveForward, inputs, {}, scale > 50 ? 3e-5 : 1e-5)
        for (const detachColumns of [false, true]) {
          const found = evaluate("diffclip-cpu", inputs, both(detachColumns))
          expectClose(found, evaluate("cpu", inputs, both(detachColumns)), 2e-5)
        }
      }
    }
  })

  it("counts a tie as a hit only where the diagonal comes first", () => {
    const same = { shape: [4, 2], values: [1, 0, 1, 0, 1, 0, 1, 0] }
    expectComposition(contrastiveForward, { u: same, t: same, scale: { shape: [], values: [10] } }, {})
  })

  it("NaN in one text spoils the loss and every gradient that the composition's NaN reaches", () => {
    const inputs = inputsOf(9, 5, 10)
    const spoilt = { ...inputs, t: { ...inputs.t, values: Array.from(inputs.t.values, (v, i) => i === 7 ? NaN : v) } }
    const found = evaluate("diffclip-cpu", spoilt, both(true))
    expect(found["loss"]?.values[0]).toBeNaN()
    expectClose(found, evaluate("cpu", spoilt, both(true)), 2e-5)
  })

  it("has the same bits with one thread and with two", async () => {
    const inputs = inputsOf(301, 40, 30)
    const two = evaluate("diffclip-cpu", inputs, both(false))
    const one = await registerCpu({ threads: 1 })
    expect(evaluate("diffclip-cpu", inputs, both(false))).toEqual(two)
    one.close()
    const again = await registerCpu({ threads: 2 })
    again.close()
  })

  it("keeps 256 rows of logits at a time: the memory of a batch of 1200 is below a third of its logits", () => {
    const b = 1200, e = 8
    const inputs = inputsOf(b, e, 20)
    const logits = 4 * b * b
    const before = engine.engine().memory().peakBytes
    evaluate("diffclip-cpu", inputs, both(false))
    expect(tf.memory().numTensors).toBe(0)
    expect(engine.engine().memory().peakBytes - before).toBeLessThan(logits / 3)
  })
})
