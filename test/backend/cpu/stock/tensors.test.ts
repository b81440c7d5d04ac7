import * as tf from "@tensorflow/tfjs-core"
import { describe, expect, it } from "vitest"
import { useEngine } from "../engine.ts"

const { engine } = useEngine(2)

describe("tensors in the arena", () => {
  it("a read is a copy that later kernels leave alone", () => {
    const x = tf.tensor1d([1, 2, 3])
    const read = x.dataSync()
    x.dispose()
    const other = tf.tensor1d([7, 8, 9])
    expect([...read]).toEqual([1, 2, 3])
    other.dispose()
  })

  it("the caller's array is copied when the tensor is made", () => {
    const values = Float32Array.of(1, 2, 3)
    const x = tf.tensor1d(values)
    values.fill(0)
    expect([...x.dataSync()]).toEqual([1, 2, 3])
    x.dispose()
  })

  it("bytes in use return to what they were, over many steps and after an error", () => {
    const before = engine().memory().bytesInUse
    const step = (): void => {
      tf.tidy(() => tf.sum(tf.softmax(tf.matMul(tf.ones([50, 60]), tf.ones([60, 70])))).dataSync())
    }
    step()
    const { peakBytes } = engine().memory()
    for (let i = 0; i < 20; i++) step()
    expect(() => tf.tidy(() => tf.gather(tf.ones([3, 2]), tf.tensor1d([0, 3], "int32")))).toThrow(
      /index 3 at position 1/
    )
    expect(engine().memory()).toMatchObject({ bytesInUse: before, peakBytes })
  })

  it("tensors move to and from another backend", () => {
    const x = tf.tensor1d([1, 2, 3])
    tf.setBackend("cpu")
    expect([...tf.mul(x, 2).dataSync()]).toEqual([2, 4, 6])
    tf.setBackend("diffclip-cpu")
    expect([...tf.mul(x, 3).dataSync()]).toEqual([3, 6, 9])
    x.dispose()
  })
})
