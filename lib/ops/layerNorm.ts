import * as tf from "@tensorflow/tfjs-core"
import type { Value } from "../tensor/index.ts"
import { checkShape, dimOf, record } from "../tensor/index.ts"
import { asRows, type Fused, run, view } from "./kernel.ts"

/** x [R, D], gamma [D], beta [D] -> y [R, D], mean [R], rstd [R]; biased variance. */
export const layerNormForward: Fused<"x" | "gamma" | "beta", { readonly eps: number }, "y" | "mean" | "rstd"> = {
  name: "DiffClipLayerNorm",
  outputs: ["y", "mean", "rstd"],
  compose: ({ x, gamma, beta }, { eps }) => {
    const mean = tf.mean(x, 1, true)
    const centred = tf.sub(x, mean)
    const rstd = tf.rsqrt(tf.add(tf.mean(tf.square(centred), 1, true), eps))
    const y = tf.add(tf.mul(tf.mul(centred, rstd), gamma), beta)
    return { y, mean: view(mean, [-1]), rstd: view(rstd, [-1]) }
  }
}

/** dy, x [R, D], gamma [D], mean, rstd [R] -> dx [R, D], dgamma [D], dbeta [D]. */
export const layerNormBackward: Fused<
  "dy" | "x" | "gamma" | "mean" | "rstd",
  Record<never, never>,
  "dx" | "dgamma" | "dbeta"
> = {
  name: "DiffClipLayerNormGrad",
  outputs: ["dx", "dgamma", "dbeta"],
  compose: ({ dy, x, gamma, mean, rstd }) => {
    const r = view(rstd, [-1, 1])
    const normal = tf.mul(tf.sub(x, view(mean, [-1, 1])), r)
    const g = tf.mul(dy, gamma)
    const centred = tf.sub(tf.sub(g, tf.mean(g, 1, true)), tf.mul(normal, tf.mean(tf.mul(g, normal), 1, true)))
    return { dx: tf.mul(centred, r), dgamma: tf.sum(tf.mul(dy, normal), 0), dbeta: tf.sum(dy, 0) }
  }
}

/** (x - mean) / sqrt(variance + eps) * gamma + beta over the last axis. x [..., D], gamma [D], beta [D]. */
export const layerNorm = (x: Value, gamma: Value, beta: Value, eps: number): Value => {
  const d = dimOf("layerNorm", x.tensor.shape, -1)
  checkShape("layerNorm", "gamma", gamma.tensor, [d])
  checkShape("layerNorm", "beta", beta.tensor, [d])
  const { y, mean, rstd } = run(
    layerNormForward,
    { x: asRows(x.tensor), gamma: gamma.tensor, beta: beta.tensor },
    { eps }
  )
  const saved = [x.tensor, gamma.tensor, mean, rstd]
  return record("layerNorm", [x, gamma, beta], view(y, x.tensor.shape), saved, (dy) => {
    const { dx, dgamma, dbeta } = run(
      layerNormBackward,
      { dy: asRows(dy), x: asRows(x.tensor), gamma: gamma.tensor, mean, rstd },
      {}
    )
    return [view(dx, x.tensor.shape), dgamma, dbeta]
  })
}
