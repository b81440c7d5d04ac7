import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import type { Shape, Value } from "../tensor/index.ts"
import { record, sameShape, ShapeError, showShape } from "../tensor/index.ts"
import { view } from "./kernel.ts"

/** Sums a gradient over the axes along which its operand was broadcast. */
const sumTo = (grad: Tensor, shape: Shape): Tensor => {
  if (sameShape(grad.shape, shape)) return grad
  const lead = grad.shape.length - shape.length
  const axes = grad.shape.flatMap((dim, i) => (i < lead || (shape[i - lead] === 1 && dim !== 1) ? [i] : []))
  return view(axes.length === 0 ? grad : tf.sum(grad, axes), shape)
}

const checkBroadcast = (operation: string, a: Tensor, b: Tensor): void => {
  const [long, short] = a.shape.length >= b.shape.length ? [a.shape, b.shape] : [b.shape, a.shape]
  const fits = short.every((dim, i) => {
    const other = long[i + long.length - short.length]
    return dim === other || dim === 1 || other === 1
  })
  if (!fits) throw new ShapeError(operation, "shapes that broadcast", `${showShape(a.shape)} and ${showShape(b.shape)}`)
}

/** a + b, broadcasting. */
export const add = (a: Value, b: Value): Value => {
  checkBroadcast("add", a.tensor, b.tensor)
  return record("add", [a, b], tf.add(a.tensor, b.tensor), [], (dy, [needsA, needsB]) => [
    needsA ? sumTo(dy, a.tensor.shape) : undefined,
    needsB ? sumTo(dy, b.tensor.shape) : undefined
  ])
}

/** a - b, broadcasting. */
export const sub = (a: Value, b: Value): Value => {
  checkBroadcast("sub", a.tensor, b.tensor)
  return record("sub", [a, b], tf.sub(a.tensor, b.tensor), [], (dy, [needsA, needsB]) => [
    needsA ? sumTo(dy, a.tensor.shape) : undefined,
    needsB ? sumTo(tf.neg(dy), b.tensor.shape) : undefined
  ])
}

/** a * b elementwise, broadcasting. */
export const mul = (a: Value, b: Value): Value => {
  checkBroadcast("mul", a.tensor, b.tensor)
  return record("mul", [a, b], tf.mul(a.tensor, b.tensor), [a.tensor, b.tensor], (dy, [needsA, needsB]) => [
    needsA ? sumTo(tf.mul(dy, b.tensor), a.tensor.shape) : undefined,
    needsB ? sumTo(tf.mul(dy, a.tensor), b.tensor.shape) : undefined
  ])
}

/** x + c for a constant. */
export const addScalar = (x: Value, c: number): Value => record("addScalar", [x], tf.add(x.tensor, c), [], (dy) => [dy])

/** x * c for a constant. */
export const mulScalar = (x: Value, c: number): Value =>
  record("mulScalar", [x], tf.mul(x.tensor, c), [], (dy) => [tf.mul(dy, c)])

/** exp elementwise. */
export const exp = (x: Value): Value => {
  const y = tf.exp(x.tensor)
  return record("exp", [x], y, [y], (dy) => [tf.mul(dy, y)])
}

/** The sum of all elements, a scalar. */
export const sum = (x: Value): Value =>
  record("sum", [x], tf.sum(x.tensor), [], (dy) => [tf.broadcastTo(dy, x.tensor.shape)])

/** The inner product of two vectors of one length, a scalar. */
export const dot = (a: Value, b: Value): Value => {
  if (a.tensor.shape.length !== 1 || !sameShape(a.tensor.shape, b.tensor.shape)) {
    throw new ShapeError(
      "dot",
      "two vectors of one length",
      `${showShape(a.tensor.shape)} and ${showShape(b.tensor.shape)}`
    )
  }
  return sum(mul(a, b))
}
