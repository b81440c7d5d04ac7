import { at, zeros } from "./array.ts"
import { add, mul } from "./elementwise.ts"
import { type Node, record } from "./tape.ts"

/** An operation that acts on each row of the last axis: `forward` gives the row, `back` the cotangent of its input. */
const byRow = (
  x: Node,
  forward: (row: Float64Array) => Float64Array,
  back: (row: Float64Array, result: Float64Array, cotangent: Float64Array) => Float64Array
): Node => {
  const width = at(x.value.shape, x.value.shape.length - 1)
  const value = zeros(x.value.shape)
  const rowOf = (data: Float64Array, start: number): Float64Array => data.subarray(start, start + width)
  for (let start = 0; start < value.data.length; start += width) {
    value.data.set(forward(rowOf(x.value.data, start)), start)
  }
  return record(value, [x], (cotangent) => {
    const toX = zeros(x.value.shape)
    for (let start = 0; start < toX.data.length; start += width) {
      const row = rowOf(x.value.data, start)
      toX.data.set(back(row, rowOf(value.data, start), rowOf(cotangent.data, start)), start)
    }
    return [toX]
  })
}

const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, v, i) => sum + v * at(b, i), 0)
const meanOf = (row: Float64Array): number => row.reduce((sum, v) => sum + v, 0) / row.length
const centred = (row: Float64Array): Float64Array => {
  const mean = meanOf(row)
  return row.map((v) => v - mean)
}
const rootMeanSquare = (row: Float64Array, eps: number): number => Math.sqrt(dot(row, row) / row.length + eps)

/** (x - mean) / sqrt(variance + eps) * gamma + beta over the last axis; the variance divides by n. gamma, beta: [n]. */
export const layerNorm = (x: Node, gamma: Node, beta: Node, eps: number): Node => {
  const normed = byRow(x, (row) => {
    const root = rootMeanSquare(centred(row), eps)
    return centred(row).map((v) => v / root)
  }, (row, result, g) => {
    const root = rootMeanSquare(centred(row), eps)
    const mean = meanOf(g)
    const along = dot(g, result) / row.length
    return g.map((v, i) => (v - mean - at(result, i) * along) / root)
  })
  return add(mul(normed, gamma), beta)
}

/** x / sqrt(mean(x^2) + eps) * gamma over the last axis. gamma: [n]. */
export const rmsNorm = (x: Node, gamma: Node, eps: number): Node => {
  const normed = byRow(x, (row) => {
    const root = rootMeanSquare(row, eps)
    return row.map((v) => v / root)
  }, (row, result, g) => {
    const root = rootMeanSquare(row, eps)
    const along = dot(g, result) / row.length
    return g.map((v, i) => (v - at(result, i) * along) / root)
  })
  return mul(normed, gamma)
}

/** x / max(|x|, 1e-12) over the last axis. A row below the floor is only scaled, and its gradient with it. */
export const l2Normalise = (x: Node, floor: number = 1e-12): Node =>
  byRow(x, (row) => {
    const length = Math.max(Math.sqrt(dot(row, row)), floor)
    return row.map((v) => v / length)
  }, (row, result, g) => {
    const length = Math.sqrt(dot(row, row))
    if (length < floor) return g.map((v) => v / floor)
    const along = dot(g, result)
    return g.map((v, i) => (v - at(result, i) * along) / length)
  })
