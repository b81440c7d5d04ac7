import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import { precisionNow, roundedOnce } from "../tensor/index.ts"
import { type Fused, run, view } from "./kernel.ts"

// Engines that store 16-bit floats have kernels for these (`halfKernels`); others compose them, which rounds and saves nothing.
// Halves are opaque to all but the operations of this file: a GPU packs two in a word, the composition keeps 32-bit floats
// that a 16-bit float could hold. So their shapes are told in attributes.

/** The least number that rounds to infinity, and the least normal one. */
const [OVERFLOW, NORMAL] = [65_520, 2 ** -14]

/**
 * x of any shape -> its numbers rounded to the nearest 16-bit float; from 65,520 on they are infinite, below 2^-14 they are
 * multiples of 2^-24, a NaN stays one.
 */
export const halfForward: Fused<"x", Record<never, never>, "y"> = {
  name: "DiffClipHalf",
  outputs: ["y"],
  compose: ({ x }) => {
    // Adding 2^13 x leaves 11 of 24 bits of x, and adding 0.75 multiples of 2^-24.
    const far = tf.mul(x, 8192)
    const size = tf.abs(x)
    const near = tf.where(
      tf.less(size, NORMAL),
      tf.sub(tf.add(x, 0.75), 0.75),
      tf.sub(tf.add(x, far), far)
    )
    return { y: tf.where(tf.greaterEqual(size, OVERFLOW), tf.mul(x, Infinity), near) }
  }
}

/** Halves -> 32-bit floats of `shape`. */
export const wholeForward: Fused<"x", { readonly shape: Array<number> }, "y"> = {
  name: "DiffClipWhole",
  outputs: ["y"],
  compose: ({ x }, { shape }) => ({ y: view(x, shape) })
}

type ProductAttrs = {
  /** The result is [m, n], sums run over k. */
  readonly m: number
  readonly n: number
  readonly k: number
  readonly transposeA: boolean
  readonly transposeB: boolean
}

/** Halves a [m, k] (transposeA: [k, m]) and b [k, n] (transposeB: [n, k]) -> y [m, n], summed in 32 bits. */
export const halfProductForward: Fused<"a" | "b", ProductAttrs, "y"> = {
  name: "DiffClipHalfProduct",
  outputs: ["y"],
  compose: ({ a, b }, { m, n, k, transposeA, transposeB }) => ({
    y: tf.matMul(
      view(a, transposeA ? [k, m] : [m, k]),
      view(b, transposeB ? [n, k] : [k, n]),
      transposeA,
      transposeB
    )
  })
}

/** Halves x [rows, k] and weight [m, k], bias [m] -> y [rows, m] = x weight^T + bias. */
export const halfLinearForward: Fused<
  "x" | "weight" | "bias",
  { readonly rows: number; readonly k: number; readonly m: number },
  "y"
> = {
  name: "DiffClipHalfLinear",
  outputs: ["y"],
  compose: ({ x, weight, bias }, { rows, k, m }) => ({
    y: tf.add(tf.matMul(view(x, [rows, k]), view(weight, [m, k]), false, true), bias)
  })
}

/** Whether a product with these lengths of rows is to be made of halves: they are read in fours. */
export const isInHalves = (...lengths: ReadonlyArray<number>): boolean =>
  precisionNow() === "mixed" && lengths.every((length) => length % 4 === 0)

/** A tensor in halves. */
export const half = (x: Tensor): Tensor => run(halfForward, { x }, {}).y

/** The same, rounded once in a forward pass. */
export const inHalves = (x: Tensor): Tensor => roundedOnce(x, half)

/** The product of two tensors in halves. */
export const halfProduct = (a: Tensor, b: Tensor, attrs: ProductAttrs): Tensor =>
  run(halfProductForward, { a, b }, attrs).y
