import * as tf from "@tensorflow/tfjs-core"
import type { Value } from "../tensor/index.ts"
import { checkShape, dims3, headDimOf, record } from "../tensor/index.ts"
import { type AttentionAttrs, mapsOf, scaleOf, scoresOf, statsOf } from "./attentionScores.ts"
import { mergeHeads, splitHeads } from "./heads.ts"
import { type Fused, run } from "./kernel.ts"
import { softmaxBackward } from "./softmax.ts"

/** How many heads, and whether token i sees tokens 0..i only (`causal`) or all. */
export interface AttentionOptions {
  readonly numHeads: number
  readonly mask: "none" | "causal"
}

/**
 * q, k, v [B, N, D] -> out [B, N, D], stats [B, H, N, 2]; scores are scaled by Dh^-1/2, Dh = D / H. `stats` holds each
 * row's largest score and 1 / sum(exp(score - largest)): with it the backward pass makes the maps again.
 */
export const attentionForward: Fused<"q" | "k" | "v", AttentionAttrs, "out" | "stats"> = {
  name: "DiffClipAttention",
  outputs: ["out", "stats"],
  compose: ({ q, k, v }, attrs) => {
    const scores = scoresOf(q, k, attrs)
    const stats = statsOf(scores)
    return { out: mergeHeads(tf.matMul(mapsOf(scores, stats), splitHeads(v, attrs.numHeads))), stats }
  }
}

/** dy, q, k, v [B, N, D], stats [B, H, N, 2] -> dq, dk, dv [B, N, D]. */
export const attentionBackward: Fused<"dy" | "q" | "k" | "v" | "stats", AttentionAttrs, "dq" | "dk" | "dv"> = {
  name: "DiffClipAttentionGrad",
  outputs: ["dq", "dk", "dv"],
  compose: ({ dy, q, k, v, stats }, attrs) => {
    const { numHeads } = attrs
    const map = mapsOf(scoresOf(q, k, attrs), stats)
    const g = splitHeads(dy, numHeads)
    const dv = tf.matMul(map, g, true, false)
    const dMap = tf.matMul(g, splitHeads(v, numHeads), false, true)
    const dScores = tf.mul(run(softmaxBackward, { dy: dMap, y: map }, {}).dx, scaleOf(q, numHeads))
    return {
      dq: mergeHeads(tf.matMul(dScores, splitHeads(k, numHeads))),
      dk: mergeHeads(tf.matMul(dScores, splitHeads(q, numHeads), true, false)),
      dv: mergeHeads(dv)
    }
  }
}

/** softmax(q k^T / sqrt(Dh) + mask) v for each head. q, k, v and the result [B, N, D]; head h owns features Dh h... */
export const attention = (q: Value, k: Value, v: Value, { numHeads, mask }: AttentionOptions): Value => {
  const shape = dims3("attention", "q", q.tensor)
  checkShape("attention", "k", k.tensor, shape)
  checkShape("attention", "v", v.tensor, shape)
  headDimOf("attention", shape[2], numHeads, false)
  const attrs = { numHeads, causal: mask === "causal" }
  const inputs = { q: q.tensor, k: k.tensor, v: v.tensor }
  const { out, stats } = run(attentionForward, inputs, attrs)
  return record("attention", [q, k, v], out, [q.tensor, k.tensor, v.tensor, stats], (dy) => {
    const { dq, dk, dv } = run(attentionBackward, { dy, ...inputs, stats }, attrs)
    return [dq, dk, dv]
  })
}
