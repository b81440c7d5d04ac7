import * as tf from "@tensorflow/tfjs-core"
import type { Value } from "../tensor/index.ts"
import { checkShape, dimOf, record } from "../tensor/index.ts"
import { asRows, type Fused, run, view } from "./kernel.ts"

/** x [R, D], gamma [D] -> y [R, D] = scale * gamma * x * rstd, rstd [R] = (mean(x^2) + eps)^-1/2. */
export const rmsNormForward: Fused<
  "x" | "gamma",
  { readonly eps: number; readonly scale: number },
  "y" | "rstd"
> = {
  name: "DiffClipRmsNorm",
  outputs: ["y", "rstd"],
  compose: ({ x, gamma }, { eps, scale }) => {
    const rstd = tf.rsqrt(tf.add(tf.mean(tf.square(x), 1, true), eps))
    return { y: tf.mul(tf.mul(tf.mul(x, rstd), gamma), scale), rstd: view(rstd, [-1]) }
  }
}

/** dy, x [R, D], gamma [D], rstd [R] -> dx [R, D], dgamma [D]. */
export const rmsNormBackward: Fused<
  "dy" | "x" | "gamma" | "rstd",
  { readonly scale: number },
  "dx" | "dgamma"
> = {
  name: "DiffClipRmsNormGrad",
  outputs: ["dx", "dgamma"],
  compose: ({ dy, x, gamma, rstd }, { scale }) => {
    const r = view(rstd, [-1, 1])
    const normal = tf.mul(x, r)
    const g = tf.mul(tf.mul(dy, gamma), scale)
    const dx = tf.mul(tf.sub(g, tf.mul(normal, tf.mean(tf.mul(g, normal), 1, true))), r)
    return { dx, dgamma: tf.mul(tf.sum(tf.mul(dy, normal), 0), scale) }
  }
}

/**
 * x / sqrt(mean(x^2) + eps) * gamma * scale over the last axis: no mean subtraction, no bias. x [..., D], gamma [D].
 * `scale` is a constant; differential attention passes 1 - lambdaInit. Source: DiffCLIP, official `diff_attention.py`.
 */
export const rmsNorm = (x: Value, gamma: Value, eps: number, scale = 1): Value => {
  checkShape("rmsNorm", "gamma", gamma.tensor, [dimOf("rmsNorm", x.tensor.shape, -1)])
  const { y, rstd } = run(rmsNormForward, { x: asRows(x.tensor), gamma: gamma.tensor }, { eps, scale })
  return record("rmsNorm", [x, gamma], view(y, x.tensor.shape), [x.tensor, gamma.tensor, rstd], (dy) => {
    const { dx, dgamma } = run(
      rmsNormBackward,
      { dy: asRows(dy), x: asRows(x.tensor), gamma: gamma.tensor, rstd },
      { scale }
    )
    return [view(dx, x.tensor.shape), dgamma]
  })
}
