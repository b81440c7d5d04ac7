/**
 * Arithmetic on plain tensors, outside the tape: for optimizers and sums of gradients. Each function leaves its operands
 * alone and returns one new tensor, which a surrounding tidy frees unless it is kept.
 */
import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"

/** a + b, of one shape. */
export const addTensors = (a: Tensor, b: Tensor): Tensor => tf.add(a, b)

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
