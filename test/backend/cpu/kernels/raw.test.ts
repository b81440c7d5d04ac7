import * as tf from "@tensorflow/tfjs-core"
import { describe, expect, it } from "vitest"
import { registerCpu } from "../../../../lib/backend/cpu/register.ts"
import { raw } from "../../../../lib/ops/index.ts"
import { numbers, useEngine } from "../engine.ts"

const engine = useEngine(2)

describe("raw kernels", () => {
  it("nothing that optimizers and clamps do leaves the arena", () => {
    const before = engine.engine().moves()
    tf.tidy(() => {
      const [x, y] = [tf.tensor2d(numbers("x", 12), [3, 4]), tf.tensor2d(numbers("y", 12), [3, 4])]
      const norm = raw.norm([x, y])
      const factor = raw.clipFactor(norm, 1)
      raw.scaleBy(x, factor)
      raw.clamp(x, -1, 1)
      raw.addTensors(x, y)
      raw.scale(x, 3)
      raw.axpy(2, x, y)
      raw.blend(0.9, x, y)
      const squares = raw.blendSquares(0.9, tf.square(x), y)
      raw.adamDirection(x, squares, { beta1: 0.9, beta2: 0.98, eps: 1e-8, step: 2 })
      raw.pack([norm, factor])
      raw.rows(x, 1, 2)
      raw.stackRows([x, y])
      raw.accumulate(tf.clone(x), y).dispose()
    })
    expect(engine.engine().moves()).toBe(before)
  })

  it("accumulates in place, and the norm has the same bits with one thread and with two", async () => {
    const [sum, x] = [tf.tensor1d(numbers("sum", 100_003)), tf.tensor1d(numbers("x", 100_003))]
    const place = sum.dataId
    const total = raw.accumulate(sum, x)
    expect(total.dataId).toBe(place)
    const normOf = (): number => {
      const norm = raw.norm([total, x])
      const [number = NaN] = norm.dataSync()
      norm.dispose()
      return number
    }
    const two = normOf()
    const one = await registerCpu({ threads: 1 })
    expect(normOf()).toBe(two)
    one.close()
    const again = await registerCpu({ threads: 2 })
    again.close()
    tf.dispose([total, x])
  })
})
