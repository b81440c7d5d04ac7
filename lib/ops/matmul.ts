import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import type { Value } from "../tensor/index.ts"
import { dimOf, record, ShapeError, showShape } from "../tensor/index.ts"
import { half, halfLinearForward, halfProduct, inHalves, isInHalves } from "./half.ts"
import { asRows, type Fused, run, view } from "./kernel.ts"

/** x [..., K] @ b [K, M] -> [..., M]. The projections of both towers are used this way (not transposed). */
export const matmul = (x: Value, b: Value): Value => {
  const k = dimOf("matmul", x.tensor.shape, -1)
  const [rows, m] = b.tensor.shape
  if (b.tensor.shape.length !== 2 || rows !== k || m === undefined) {
    throw new ShapeError("matmul", `a right side of shape [${k}, any]`, showShape(b.tensor.shape))
  }
  const flat = asRows(x.tensor)
  if (isInHalves(k, m)) return matmulInHalves(x, b, flat.shape[0] ?? 0, k, m)
  const y = view(tf.matMul(flat, b.tensor), [...x.tensor.shape.slice(0, -1), m])
  return record("matmul", [x, b], y, [x.tensor, b.tensor], (dy, [needsX, needsB]) => [
    needsX ? view(tf.matMul(asRows(dy), b.tensor, false, true), x.tensor.shape) : undefined,
    needsB ? tf.matMul(asRows(x.tensor), asRows(dy), true, false) : undefined
  ])
}

const matmulInHalves = (x: Value, b: Value, rows: number, k: number, m: number): Value => {
  const [left, right] = [inHalves(x.tensor), inHalves(b.tensor)]
  const y = halfProduct(left, right, { m: rows, n: m, k, transposeA: false, transposeB: false })
  const shaped = view(y, [...x.tensor.shape.slice(0, -1), m])
  return record("matmul", [x, b], shaped, [left, right], (dy, [needsX, needsB]) => {
    const g = half(dy)
    return [
      needsX ?
        view(halfProduct(g, right, { m: rows, n: k, k: m, transposeA: false, transposeB: true }), x.tensor.shape) :
        undefined,
      needsB ? halfProduct(left, g, { m: k, n: m, k: rows, transposeA: true, transposeB: false }) : undefined
    ]
  })
}

/** x [R, K], weight [M, K], bias [M] -> y [R, M] = x weight^T + bias. */
export const linearForward: Fused<"x" | "weight" | "bias", Record<never, never>, "y"> = {
  name: "DiffClipLinear",
  outputs: ["y"],
  compose: ({ x, weight, bias }) => ({ y: tf.add(tf.matMul(x, weight, false, true), bias) })
}

/** The width of a linear layer's result. Throws ShapeError, under the operation's name, where x or the bias do not fit. */
export const linearWidth = (operation: string, inWidth: number, weight: Tensor, bias: Tensor): number => {
  const [m, columns] = weight.shape
  if (weight.shape.length !== 2 || columns !== inWidth || m === undefined) {
    throw new ShapeError(operation, `a weight of shape [any, ${inWidth}]`, showShape(weight.shape))
  }
  if (bias.shape.length !== 1 || bias.size !== m) {
    throw new ShapeError(operation, `a bias of shape [${m}]`, showShape(bias.shape))
  }
  return m
}

/** x [..., K], weight [M, K], bias [M] -> x weight^T + bias [..., M]: a torch Linear layer. */
export const linear = (x: Value, weight: Value, bias: Value): Value => {
  const k = dimOf("linear", x.tensor.shape, -1)
  const m = linearWidth("linear", k, weight.tensor, bias.tensor)
  if (isInHalves(k, m)) return linearInHalves(x, weight, bias, k, m)
  const { y } = run(linearForward, { x: asRows(x.tensor), weight: weight.tensor, bias: bias.tensor }, {})
  const shaped = view(y, [...x.tensor.shape.slice(0, -1), m])
  return record("linear", [x, weight, bias], shaped, [x.tensor, weight.tensor], (dy, [needsX, needsW, needsB]) => {
    const rows = asRows(dy)
    return [
      needsX ? view(tf.matMul(rows, weight.tensor), x.tensor.shape) : undefined,
      needsW ? tf.matMul(rows, asRows(x.tensor), true, false) : undefined,
      needsB ? tf.sum(rows, 0) : undefined
    ]
  })
}

const linearInHalves = (x: Value, weight: Value, bias: Value, k: number, m: number): Value => {
  const rows = x.tensor.size / k
  const [xh, wh] = [inHalves(x.tensor), inHalves(weight.tensor)]
  const { y } = run(halfLinearForward, { x: xh, weight: wh, bias: bias.tensor }, { rows, k, m })
  const shaped = view(y, [...x.tensor.shape.slice(0, -1), m])
  return record("linear", [x, weight, bias], shaped, [xh, wh], (dy, [needsX, needsW, needsB]) => {
    const g = half(dy)
    return [
      needsX ?
        view(halfProduct(g, wh, { m: rows, n: k, k: m, transposeA: false, transposeB: false }), x.tensor.shape) :
        undefined,
      needsW ? halfProduct(g, xh, { m, n: k, k: rows, transposeA: true, transposeB: false }) : undefined,
      needsB ? tf.sum(asRows(dy), 0) : undefined
    ]
  })
}
