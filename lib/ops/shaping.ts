import * as tf from "@tensorflow/tfjs-core"
import type { Shape, Value } from "../tensor/index.ts"
import { axisOf, record, ShapeError, showShape, sizeOf } from "../tensor/index.ts"
import { view } from "./kernel.ts"

/** The same numbers in another shape of the same size; no copy. */
export const reshape = (x: Value, shape: Shape): Value => {
  if (sizeOf(shape) !== x.tensor.size) {
    throw new ShapeError("reshape", `a shape of ${x.tensor.size} elements`, showShape(shape))
  }
  return record("reshape", [x], view(x.tensor, shape), [], (dy) => [view(dy, x.tensor.shape)])
}

/** Axes in another order: axis i of the result is axis `order[i]` of x. */
export const transpose = (x: Value, order: ReadonlyArray<number>): Value => {
  const isPermutation = order.length === x.tensor.shape.length &&
    [...order].sort((a, b) => a - b).every((a, i) => a === i)
  if (!isPermutation) throw new ShapeError("transpose", `an order of ${x.tensor.shape.length} axes`, showShape(order))
  const back = order.map((_, axis) => order.indexOf(axis))
  return record("transpose", [x], tf.transpose(x.tensor, [...order]), [], (dy) => [tf.transpose(dy, back)])
}

/** Elements `begin` to `begin + size` along one axis; a negative axis counts from the end. */
export const slice = (x: Value, axis: number, begin: number, size: number): Value => {
  const shape = x.tensor.shape
  const along = axisOf("slice", shape, axis)
  const dim = shape[along] ?? 0
  if (begin < 0 || size < 0 || begin + size > dim) {
    throw new ShapeError("slice", `a range within the ${dim} elements of axis ${axis}`, `${begin} to ${begin + size}`)
  }
  const starts = shape.map((_, i) => (i === along ? begin : 0))
  const sizes = shape.map((d, i) => (i === along ? size : d))
  const around = shape.map((d, i): [number, number] => (i === along ? [begin, d - begin - size] : [0, 0]))
  return record("slice", [x], tf.slice(x.tensor, starts, sizes), [], (dy) => [tf.pad(dy, around)])
}

/** Values joined along one axis (a negative one counts from the end); the other axes must agree. */
export const concat = (parts: ReadonlyArray<Value>, axis: number): Value => {
  const first = parts[0]
  if (first === undefined) throw new ShapeError("concat", "at least one part", "none")
  const along = axisOf("concat", first.tensor.shape, axis)
  const fits = parts.every((part) =>
    part.tensor.shape.length === first.tensor.shape.length &&
    part.tensor.shape.every((dim, i) => i === along || dim === first.tensor.shape[i])
  )
  if (!fits) {
    const found = parts.map((part) => showShape(part.tensor.shape)).join(", ")
    throw new ShapeError("concat", `parts that agree on all axes but ${along}`, found)
  }
  const sizes = parts.map((part) => part.tensor.shape[along] ?? 0)
  const tensors = parts.map((part) => part.tensor)
  return record("concat", parts, tf.concat(tensors, along), [], (dy) => tf.split(dy, sizes, along))
}

/** One [1, ...] value repeated n times along its first axis: a class token for each picture of a batch. */
export const repeatFirst = (x: Value, n: number): Value => {
  const rest = x.tensor.shape.slice(1)
  if (x.tensor.shape[0] !== 1) throw new ShapeError("repeatFirst", "a first axis of size 1", showShape(x.tensor.shape))
  return record("repeatFirst", [x], tf.broadcastTo(x.tensor, [n, ...rest]), [], (dy) => [
    view(tf.sum(view(dy, [n, -1]), 0), x.tensor.shape)
  ])
}
