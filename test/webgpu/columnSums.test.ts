import * as tf from "@tensorflow/tfjs-core"
import { describe, expect, it } from "vitest"
import { columnSums } from "../../lib/backend/webgpu/kernels/columnSums.ts"
import { errorOf, normals } from "./compare.ts"
import { engine, onGpu } from "./device.ts"

/** The sums of `columnSums` of one matrix, twice. */
const summed = async (rows: number, cols: number) => {
  const { gpu } = await engine()
  const { values } = normals(`${rows}x${cols}`, [rows, cols])
  const before = tf.memory().numTensors
  const x = await onGpu(() => tf.tensor(values, [rows, cols]))
  const run = async () => {
    const y = await onGpu(() => tf.engine().makeTensorFromTensorInfo(columnSums(gpu, x, rows, cols)))
    const numbers = Float32Array.from(await y.data())
    y.dispose()
    return numbers
  }
  const [first, second] = [await run(), await run()]
  x.dispose()
  expect(tf.memory().numTensors).toBe(before)
  const exact = new Float64Array(cols)
  values.forEach((value, i) => exact[i % cols] = (exact[i % cols] ?? 0) + value)
  return { first, second, exact: Float32Array.from(exact) }
}

describe("columnSums", () => {
  it("adds up every row of every column, whatever their number, and repeats bit for bit", async () => {
    const sizes = [[1, 1], [70_001, 1], [1000, 3], [5, 4], [300, 4], [64, 36], [65, 132], [1, 5], [2100, 260], [63, 7]]
    for (const [rows = 0, cols = 0] of sizes) {
      const { first, second, exact } = await summed(rows, cols)
      expect(errorOf(first, exact), `[${rows}, ${cols}]`).toBeLessThanOrEqual(1e-6)
      expect(second).toEqual(first)
    }
  })

  it("tfjs's sum takes it over leading axes, and keeps its own elsewhere", async () => {
    const { gpu } = await engine()
    const { values } = normals("sum", [2, 3, 4])
    const before = gpu.counters().dispatches
    const sums = await onGpu(() => {
      const x = tf.tensor3d(values, [2, 3, 4])
      const ours = [tf.sum(x, 0), tf.sum(x, [0, 1], true), tf.sum(x), tf.sum(tf.zeros([0, 3]), 0)]
      expect(gpu.counters().dispatches).toBe(before + 4)
      return [...ours, tf.sum(x, 1), tf.sum(x, -1), tf.sum(tf.cast(x, "int32"), 2)]
    })
    expect(gpu.counters().dispatches).toBe(before + 4)
    expect(sums.map(({ shape }) => shape)).toEqual([[3, 4], [1, 1, 4], [], [3], [2, 4], [2, 3], [2, 3]])
    const found = await Promise.all(sums.map(async (y) => Float32Array.from(await y.data())))
    tf.setBackend("cpu")
    const x = tf.tensor3d(values, [2, 3, 4])
    const whole = tf.cast(x, "int32")
    const expected = [
      tf.sum(x, 0),
      tf.sum(x, [0, 1]),
      tf.sum(x),
      tf.zeros([3]),
      tf.sum(x, 1),
      tf.sum(x, -1),
      tf.sum(whole, 2)
    ]
    expected.forEach((y, i) => {
      expect(errorOf(found[i] ?? new Float32Array(), Float32Array.from(y.dataSync()))).toBeLessThanOrEqual(1e-6)
    })
  })
})
