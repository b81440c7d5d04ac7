import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import { splitHeads } from "./heads.ts"
import { hideLater } from "./softmax.ts"

/** What every kernel of attention takes: heads of q and k, and whether token i sees tokens 0..i only. */
export type AttentionAttrs = { readonly numHeads: number; readonly causal: boolean }

/** Dh^-1/2 for q [B, N, D] of so many heads, by which scores are scaled. */
export const scaleOf = (q: Tensor, numHeads: number): number => ((q.shape[2] ?? 0) / numHeads) ** -0.5

/** q, k [B, N, D] -> scaled scores [B, H, N, N]; what `causal` hides is so low that exp makes 0 of it. */
export const scoresOf = (q: Tensor, k: Tensor, { numHeads, causal }: AttentionAttrs): Tensor => {
  const scaled = tf.mul(splitHeads(q, numHeads), scaleOf(q, numHeads))
  const scores = tf.matMul(scaled, splitHeads(k, numHeads), false, true)
  return causal ? hideLater(scores) : scores
}

/** Scores [B, H, N, N] -> the maximum of each row and 1 / sum(exp(score - maximum)), [B, H, N, 2]. */
export const statsOf = (scores: Tensor): Tensor => {
  const top = tf.max(scores, -1, true)
  return tf.concat([top, tf.reciprocal(tf.sum(tf.exp(tf.sub(scores, top)), -1, true))], 3)
}

/** Scores [B, H, N, N] and the statistics of their rows -> softmax maps [B, H, N, N]. */
export const mapsOf = (scores: Tensor, stats: Tensor): Tensor => {
  const [b = 0, h = 0, n = 0] = stats.shape
  const column = (i: number): Tensor => tf.slice(stats, [0, 0, 0, i], [b, h, n, 1])
  return tf.mul(tf.exp(tf.sub(scores, column(0))), column(1))
}
