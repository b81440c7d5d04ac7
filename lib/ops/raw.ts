/**
 * Arithmetic on plain tensors, outside the tape: for optimizers and sums of gradients. Each function but `accumulate`
 * leaves its operands alone; each returns one new tensor, which a surrounding tidy frees unless it is kept.
 */
import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import { checkShape } from "../tensor/index.ts"
import { type Fused, type FusedList, run, runList } from "./kernel.ts"

/** Scalars [] or [1] one after the other, [n]: many numbers that are read at once. No tensors give an empty one. */
export const pack = (scalars: ReadonlyArray<Tensor>): Tensor =>
  scalars.length === 0 ? tf.zeros([0]) : tf.tidy(() => tf.concat(scalars.map((scalar) => tf.reshape(scalar, [1]))))

/** Rows `from` to `from + count - 1` of a matrix [R, E] -> [count, E]. */
export const rows = (x: Tensor, from: number, count: number): Tensor => tf.slice(x, [from, 0], [count, -1])

/** Matrices [R_i, E] one below the other, [sum of R_i, E]. */
export const stackRows = (parts: ReadonlyArray<Tensor>): Tensor => tf.concat([...parts], 0)

/** Tensors of any shapes -> one scalar, the root of the sum of all squares; 0 for none. */
export const normForward: FusedList<Record<never, never>> = {
  name: "DiffClipNorm",
  compose: (inputs) => [tf.sqrt(tf.sum(pack(inputs.map((x) => tf.tidy(() => tf.sum(tf.square(x)))))))]
}

/** The L2 norm of all numbers of some tensors together, a scalar; 0 for none. */
export const norm = (tensors: ReadonlyArray<Tensor>): Tensor =>
  tf.tidy(() => {
    const [y] = runList(normForward, tensors, {})
    if (y === undefined) throw new Error("norm: the kernel gave no result")
    return y
  })

/** x -> y of any shape: x between `lo` and `hi`. */
export const clampForward: Fused<"x", { readonly lo: number; readonly hi: number }, "y"> = {
  name: "DiffClipClamp",
  outputs: ["y"],
  compose: ({ x }, { lo, hi }) => ({ y: tf.clipByValue(x, lo, hi) })
}

/** x between two bounds, each rounded to float32; a NaN stays a NaN. */
export const clamp = (x: Tensor, lo: number, hi: number): Tensor =>
  run(clampForward, { x }, { lo: Math.fround(lo), hi: Math.fround(hi) }).y

/** x [n] -> y [1]: 1 where every one of x is a finite number, else 0. */
export const finiteForward: Fused<"x", Record<never, never>, "y"> = {
  name: "DiffClipFinite",
  outputs: ["y"],
  compose: ({ x }) => ({ y: tf.reshape(tf.min(tf.cast(tf.isFinite(x), "float32")), [1]) })
}

/** Whether some scalars, at least one, are all finite numbers, [1]: 1 or 0, known on the device without a read. */
export const finite = (scalars: ReadonlyArray<Tensor>): Tensor =>
  tf.tidy(() => run(finiteForward, { x: pack(scalars) }, {}).y)

/** isOn [1], a and b of one shape -> y: a where isOn is not 0, else b. */
export const selectForward: Fused<"isOn" | "a" | "b", Record<never, never>, "y"> = {
  name: "DiffClipSelect",
  outputs: ["y"],
  compose: ({ isOn, a, b }) => ({ y: tf.where(tf.reshape(tf.cast(isOn, "bool"), a.shape.map(() => 1)), a, b) })
}

/** `a` or `b`, of one shape, by one number on the device: a where it is not 0. A NaN of the other does not show. */
export const select = (isOn: Tensor, a: Tensor, b: Tensor): Tensor =>
  tf.tidy(() => run(selectForward, { isOn, a, b }, {}).y)

/** min(1, maxNorm / (norm + 1e-6)) of a scalar `norm`, as torch's clip_grad_norm_ has it. */
export const clipFactor = (norm: Tensor, maxNorm: number): Tensor =>
  tf.tidy(() => tf.minimum(tf.div(maxNorm, tf.add(norm, 1e-6)), 1))

/** factor x for a scalar tensor `factor`. */
export const scaleBy = (x: Tensor, factor: Tensor): Tensor => tf.mul(x, factor)

/** a + b, of one shape. */
export const addTensors = (a: Tensor, b: Tensor): Tensor => tf.add(a, b)

/** sum, x of one shape -> sum + x. A kernel may write into the buffer of `sum` and hand that back. */
export const accumulateForward: Fused<"sum" | "x", Record<never, never>, "sum"> = {
  name: "DiffClipAccumulate",
  outputs: ["sum"],
  compose: ({ sum, x }) => ({ sum: tf.add(sum, x) })
}

/**
 * sum + x, of one shape. Consumes `sum`, whose memory is written in place where nobody else holds its numbers; x stays
 * the caller's. The result is kept: no tidy frees it. Throws ShapeError, and consumes nothing, where the shapes differ.
 */
export const accumulate = (sum: Tensor, x: Tensor): Tensor => {
  checkShape("accumulate", "x", x, sum.shape)
  const total = tf.keep(tf.tidy(() => run(accumulateForward, { sum, x }, {}).sum))
  sum.dispose()
  return total
}

/** factor x. */
export const scale = (x: Tensor, factor: number): Tensor => tf.mul(x, factor)

/** factor x + y, of one shape. */
export const axpy = (factor: number, x: Tensor, y: Tensor): Tensor => tf.tidy(() => tf.add(y, tf.mul(x, factor)))

/** rate old + (1 - rate) x, a moving mean one step on; of one shape. */
export const blend = (rate: number, old: Tensor, x: Tensor): Tensor =>
  tf.tidy(() => tf.add(tf.mul(old, rate), tf.mul(x, 1 - rate)))

/** `blend` with the squares of x. */
export const blendSquares = (rate: number, old: Tensor, x: Tensor): Tensor =>
  tf.tidy(() => blend(rate, old, tf.square(x)))

/** Rates, eps and the number of the update, from 1, that `adamDirection` corrects for. */
export interface AdamDirectionOptions {
  readonly beta1: number
  readonly beta2: number
  readonly eps: number
  readonly step: number
}

/** Both moments -> m / (1 - beta1^step) / (sqrt(v / (1 - beta2^step)) + eps). Source: Kingma and Ba 2015, algorithm 1. */
export const adamDirection = (
  m: Tensor,
  v: Tensor,
  { beta1, beta2, eps, step }: AdamDirectionOptions
): Tensor =>
  tf.tidy(() => {
    const denominator = tf.add(tf.div(tf.sqrt(v), Math.sqrt(1 - beta2 ** step)), eps)
    return tf.div(tf.div(m, 1 - beta1 ** step), denominator)
  })
