import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import { type Fused, run } from "./kernel.ts"

/** Settings of one AdamW update; `step` counts from 1. */
export type AdamWAttrs = {
  readonly lr: number
  readonly beta1: number
  readonly beta2: number
  readonly eps: number
  readonly weightDecay: number
  readonly step: number
}

/**
 * p, g, m, v of one shape -> p, m, v after the update. A kernel may write into the buffers of p, m and v and hand those
 * back. Source: Loshchilov and Hutter 2019; REFERENCE 4.2.
 */
export const adamWUpdate: Fused<"p" | "g" | "m" | "v", AdamWAttrs, "p" | "m" | "v"> = {
  name: "DiffClipAdamW",
  outputs: ["p", "m", "v"],
  compose: ({ p, g, m, v }, { lr, beta1, beta2, eps, weightDecay, step }) => {
    const mean = tf.add(tf.mul(m, beta1), tf.mul(g, 1 - beta1))
    const square = tf.add(tf.mul(v, beta2), tf.mul(tf.square(g), 1 - beta2))
    const denominator = tf.add(tf.div(tf.sqrt(square), Math.sqrt(1 - beta2 ** step)), eps)
    const decayed = tf.mul(p, 1 - lr * weightDecay)
    return { p: tf.sub(decayed, tf.mul(tf.div(mean, denominator), lr / (1 - beta1 ** step))), m: mean, v: square }
  }
}

/** One parameter's update. Consumes p, m, v (their tensors are freed or reused); the gradient stays the caller's. */
export const adamW = (
  p: Tensor,
  g: Tensor,
  m: Tensor,
  v: Tensor,
  attrs: AdamWAttrs
): { readonly p: Tensor; readonly m: Tensor; readonly v: Tensor } => {
  let updated: Readonly<Record<"p" | "m" | "v", Tensor>> | undefined
  tf.tidy(() => {
    updated = run(adamWUpdate, { p, g, m, v }, attrs)
    for (const tensor of Object.values(updated)) tf.keep(tensor)
  })
  for (const tensor of [p, m, v]) tensor.dispose()
  if (updated === undefined) throw new Error("adamW: the update did not run")
  return updated
}

/** x of any shape -> the sum of its squares, a scalar; for gradient norms. */
export const sumSquaresForward: Fused<"x", Record<never, never>, "y"> = {
  name: "DiffClipSumSquares",
  outputs: ["y"],
  compose: ({ x }) => ({ y: tf.sum(tf.square(x)) })
}

/** The sum of squares of a tensor, a scalar that the caller owns. */
export const sumSquares = (x: Tensor): Tensor => tf.tidy(() => run(sumSquaresForward, { x }, {}).y)
