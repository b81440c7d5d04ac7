import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import type { Value } from "../tensor/index.ts"
import { checkShape, dims3, headDimOf, record, value } from "../tensor/index.ts"
import type { AttentionOptions } from "./attention.ts"
import { mergeHeads, splitHeads } from "./heads.ts"
import { type Fused, run, view } from "./kernel.ts"
import { softmaxBackward, softmaxForward } from "./softmax.ts"

type DiffAttentionAttrs = { readonly numHeads: number; readonly causal: boolean }

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
 * q, k, v [B, N, D], lambda [] -> out [B, N, D], first, second [B, He, N, N] (He = numHeads / 2, Dh = D / numHeads).
 * q and k split into numHeads heads of Dh, v into He heads of 2 Dh; out_j = (first_j - lambda second_j) v_j, head j at
 * features 2 Dh j of `out`, before the sub-norm.
 */
export const diffAttentionForward: Fused<
  "q" | "k" | "v" | "lambda",
  DiffAttentionAttrs,
  "out" | "first" | "second"
> = {
  name: "DiffClipDiffAttention",
  outputs: ["out", "first", "second"],
  compose: ({ q, k, v, lambda }, { numHeads, causal }) => {
    const scale = ((q.shape[2] ?? 0) / numHeads) ** -0.5
    const scores = tf.matMul(tf.mul(splitHeads(q, numHeads), scale), splitHeads(k, numHeads), false, true)
    const [first, second] = unpair(run(softmaxForward, { x: scores }, { causal }).y)
    const difference = tf.sub(first, tf.mul(second, lambda))
    return { out: mergeHeads(tf.matMul(difference, splitHeads(v, numHeads / 2))), first, second }
  }
}

/** dy, q, k, v [B, N, D], lambda [], first, second [B, He, N, N] -> dq, dk, dv [B, N, D], dlambda []. */
export const diffAttentionBackward: Fused<
  "dy" | "q" | "k" | "v" | "lambda" | "first" | "second",
  DiffAttentionAttrs,
  "dq" | "dk" | "dv" | "dlambda"
> = {
  name: "DiffClipDiffAttentionGrad",
  outputs: ["dq", "dk", "dv", "dlambda"],
  compose: ({ dy, q, k, v, lambda, first, second }, { numHeads }) => {
    const scale = ((q.shape[2] ?? 0) / numHeads) ** -0.5
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
      scale
    )
    return {
      dq: mergeHeads(tf.matMul(dScores, splitHeads(k, numHeads))),
      dk: mergeHeads(tf.matMul(dScores, splitHeads(q, numHeads), true, false)),
      dv: mergeHeads(dv),
      dlambda: tf.neg(tf.sum(tf.mul(dDifference, second)))
    }
  }
}

/** The result of differential attention and the maps that made it; the maps are for looking at, not differentiable. */
export interface DiffAttentionResult {
  readonly out: Value
  readonly first: Value
  readonly second: Value
}

/** `diffAttention` that also hands out both softmax maps, each [B, He, N, N]. */
export const diffAttentionMaps = (
  q: Value,
  k: Value,
  v: Value,
  lambda: Value,
  { numHeads, mask }: AttentionOptions
): DiffAttentionResult => {
  const shape = dims3("diffAttention", "q", q.tensor)
  checkShape("diffAttention", "k", k.tensor, shape)
  checkShape("diffAttention", "v", v.tensor, shape)
  checkShape("diffAttention", "lambda", lambda.tensor, [])
  headDimOf("diffAttention", shape[2], numHeads, true)
  const attrs = { numHeads, causal: mask === "causal" }
  const inputs = { q: q.tensor, k: k.tensor, v: v.tensor, lambda: lambda.tensor }
  const { out, first, second } = run(diffAttentionForward, inputs, attrs)
  const saved = [q.tensor, k.tensor, v.tensor, lambda.tensor, first, second]
  const recorded = record("diffAttention", [q, k, v, lambda], out, saved, (dy) => {
    const grads = run(diffAttentionBackward, { dy, ...inputs, first, second }, attrs)
    return [grads.dq, grads.dk, grads.dv, grads.dlambda]
  })
  return { out: recorded, first: value(first), second: value(second) }
}

/**
 * (softmax(q1 k1^T) - lambda softmax(q2 k2^T)) v for each pair of heads, before the sub-norm. q, k, v, result [B, N, D];
 * lambda is a scalar value. Scores are scaled by Dh^-1/2 of the nominal heads. Throws ShapeError for an odd numHeads.
 * Source: DiffCLIP section 3; REFERENCE 2.3.
 */
export const diffAttention = (q: Value, k: Value, v: Value, lambda: Value, options: AttentionOptions): Value =>
  diffAttentionMaps(q, k, v, lambda, options).out
