import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import type { Value } from "../tensor/index.ts"
import { checkShape, dims3, headDimOf, record, value } from "../tensor/index.ts"
import type { AttentionOptions } from "./attention.ts"
import { type AttentionAttrs, mapsOf, scaleOf, scoresOf, statsOf } from "./attentionScores.ts"
import { mergeHeads, splitHeads } from "./heads.ts"
import { type Fused, run, view } from "./kernel.ts"
import { softmaxBackward, softmaxForward } from "./softmax.ts"

/** [B, 2 He, N, M] -> the even and the odd heads, each [B, He, N, M]: heads pair as 2j (first) and 2j + 1 (second). */
const unpair = (x: Tensor): readonly [Tensor, Tensor] => {
  const [b = 0, h = 0, n = 0, m = 0] = x.shape
  const paired = tf.reshape(x, [b, h / 2, 2 * n * m]) // [B, 2 He, N, M] -> [B, He, 2 N M]
  const half = (from: number): Tensor =>
    view(tf.slice(paired, [0, 0, from * n * m], [b, h / 2, n * m]), [b, h / 2, n, m])
  return [half(0), half(1)]
}

/** The inverse of `unpair`. */
const pair = (first: Tensor, second: Tensor): Tensor => {
  const [b = 0, h = 0, n = 0, m = 0] = first.shape
  const flat = (x: Tensor): Tensor => tf.reshape(x, [b, h, n * m])
  return view(tf.concat([flat(first), flat(second)], 2), [b, 2 * h, n, m])
}

/**
 * q, k, v [B, N, D], lambda [] -> out [B, N, D], stats [B, numHeads, N, 2] (He = numHeads / 2, Dh = D / numHeads).
 * q and k split into numHeads heads of Dh, v into He heads of 2 Dh; out_j = (first_j - lambda second_j) v_j, head j at
 * features 2 Dh j of `out`, before the sub-norm. `stats` holds each row's largest score and 1 / sum(exp(score -
 * largest)), of all heads: with it the backward pass makes the maps again.
 */
export const diffAttentionForward: Fused<"q" | "k" | "v" | "lambda", AttentionAttrs, "out" | "stats"> = {
  name: "DiffClipDiffAttention",
  outputs: ["out", "stats"],
  compose: ({ q, k, v, lambda }, attrs) => {
    const scores = scoresOf(q, k, attrs)
    const stats = statsOf(scores)
    const [first, second] = unpair(mapsOf(scores, stats))
    const difference = tf.sub(first, tf.mul(second, lambda))
    return { out: mergeHeads(tf.matMul(difference, splitHeads(v, attrs.numHeads / 2))), stats }
  }
}

/** dy, q, k, v [B, N, D], lambda [], stats [B, numHeads, N, 2] -> dq, dk, dv [B, N, D], dlambda []. */
export const diffAttentionBackward: Fused<
  "dy" | "q" | "k" | "v" | "lambda" | "stats",
  AttentionAttrs,
  "dq" | "dk" | "dv" | "dlambda"
> = {
  name: "DiffClipDiffAttentionGrad",
  outputs: ["dq", "dk", "dv", "dlambda"],
  compose: ({ dy, q, k, v, lambda, stats }, attrs) => {
    const { numHeads } = attrs
    const [first, second] = unpair(mapsOf(scoresOf(q, k, attrs), stats))
    const g = splitHeads(dy, numHeads / 2) // [B, He, N, 2 Dh]
    const difference = tf.sub(first, tf.mul(second, lambda))
    const dv = tf.matMul(difference, g, true, false)
    const dDifference = tf.matMul(g, splitHeads(v, numHeads / 2), false, true) // [B, He, N, N]
    const dSecond = tf.neg(tf.mul(dDifference, lambda))
    const dScores = tf.mul(
      pair(
        run(softmaxBackward, { dy: dDifference, y: first }, {}).dx,
        run(softmaxBackward, { dy: dSecond, y: second }, {}).dx
      ),
      scaleOf(q, numHeads)
    )
    return {
      dq: mergeHeads(tf.matMul(dScores, splitHeads(k, numHeads))),
      dk: mergeHeads(tf.matMul(dScores, splitHeads(q, numHeads), true, false)),
      dv: mergeHeads(dv),
      dlambda: tf.neg(tf.sum(tf.mul(dDifference, second)))
    }
  }
}

/**
 * (softmax(q1 k1^T) - lambda softmax(q2 k2^T)) v for each pair of heads, before the sub-norm. q, k, v, result [B, N, D];
 * lambda is a scalar value. Scores are scaled by Dh^-1/2 of the nominal heads. Throws ShapeError for an odd numHeads.
 * Source: DiffCLIP section 3; REFERENCE 2.3.
 */
export const diffAttention = (
  q: Value,
  k: Value,
  v: Value,
  lambda: Value,
  { numHeads, mask }: AttentionOptions
): Value => {
  const shape = dims3("diffAttention", "q", q.tensor)
  checkShape("diffAttention", "k", k.tensor, shape)
  checkShape("diffAttention", "v", v.tensor, shape)
  checkShape("diffAttention", "lambda", lambda.tensor, [])
  headDimOf("diffAttention", shape[2], numHeads, true)
  const attrs = { numHeads, causal: mask === "causal" }
  const inputs = { q: q.tensor, k: k.tensor, v: v.tensor, lambda: lambda.tensor }
  const { out, stats } = run(diffAttentionForward, inputs, attrs)
  const saved = [q.tensor, k.tensor, v.tensor, lambda.tensor, stats]
  return record("diffAttention", [q, k, v, lambda], out, saved, (dy) => {
    const grads = run(diffAttentionBackward, { dy, ...inputs, stats }, attrs)
    return [grads.dq, grads.dk, grads.dv, grads.dlambda]
  })
}

/** The result of differential attention and the maps that made it; the maps are for looking at, not differentiable. */
export interface DiffAttentionResult {
  readonly out: Value
  readonly first: Value
  readonly second: Value
}

/** `diffAttention` that also makes both softmax maps, each [B, He, N, N]: memory and time that training does not pay. */
export const diffAttentionMaps = (
  q: Value,
  k: Value,
  v: Value,
  lambda: Value,
  options: AttentionOptions
): DiffAttentionResult => {
  const out = diffAttention(q, k, v, lambda, options)
  const scores = scoresOf(q.tensor, k.tensor, { numHeads: options.numHeads, causal: false })
  const [first, second] = unpair(run(softmaxForward, { x: scores }, { causal: options.mask === "causal" }).y)
  return { out, first: value(first), second: value(second) }
}
