import * as tf from "@tensorflow/tfjs-core"
import { describe, expect, it } from "vitest"
import { norm } from "../../lib/ops/raw.ts"
import { normals } from "./compare.ts"
import { engine, onGpu } from "./device.ts"

const shapes = [[3], [16, 4], [1], [0], [300, 100], [7, 11], [4], [], [5, 5], [8, 8], [2, 2], [12], [1, 9], [64, 1024]]
const tensors = () => shapes.map((shape, i) => tf.tensor(normals(String(i), shape).values.slice(), shape))

const normOf = async (values: ReadonlyArray<tf.Tensor>): Promise<number> => {
  const y = await onGpu(() => norm(values))
  expect(y.shape).toEqual([])
  const [found = Number.NaN] = await y.data()
  y.dispose()
  return found
}

describe("the norm of many tensors, on WebGPU", () => {
  it("is the root of the sum of all squares, seven tensors a dispatch, and repeats bit for bit", async () => {
    const { gpu } = await engine()
    const given = await onGpu(tensors)
    const before = { tensors: tf.memory().numTensors, dispatches: gpu.counters().dispatches }
    const found = await normOf(given)
    expect(gpu.counters().dispatches - before.dispatches).toBe(1 + 1 + 1) // 7 of whole fours, 6 others, the root
    expect(await normOf(given)).toBe(found)
    expect(tf.memory().numTensors).toBe(before.tensors)
    tf.dispose(given)
    const squares = shapes.map((shape, i) =>
      Array.from(normals(String(i), shape).values).reduce((sum, v) => sum + v * v, 0)
    )
    const exact = Math.sqrt(squares.reduce((a, b) => a + b, 0))
    expect(Math.abs(found - exact) / exact).toBeLessThanOrEqual(1e-6)
  })

  it("of none it is 0, and a NaN or an infinity anywhere shows", async () => {
    expect(await normOf([])).toBe(0)
    for (const broken of [Number.NaN, Infinity]) {
      const given = await onGpu(() => [tf.ones([8]), tf.tensor1d([1, broken, 2])])
      expect(await normOf(given)).toBe(broken)
      tf.dispose(given)
    }
  })
})
