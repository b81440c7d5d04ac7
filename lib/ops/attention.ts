import * as tf from "@tensorflow/tfjs-core"
import type { Value } from "../tensor/index.ts"
import { checkShape, dims3, headDimOf, record } from "../tensor/index.ts"
import { mergeHeads, splitHeads } from "./heads.ts"
import { type Fused, run } from "./kernel.ts"
import { softmaxBackward, softmaxForward } from "./softmax.ts"

/** How many heads, and whether token i sees tokens 0..i only (`causal`) or all. */
export interface AttentionOptions {
  readonly numHeads: number
  readonly mask: "none" | "causal"
}

type AttentionAttrs = { readonly numHeads: number; readonly causal: boolean }

/** q, k, v [B, N, D] -> out [B, N, D], map [B, H, N, N]; scores are scaled by Dh^-1/2, Dh = D / H. */
export const attentionForward: Fused<"q" | "k" | "v", AttentionAttrs, "out" | "map"> = {
  name: "DiffClipAttention",
  outputs: ["out", "map"],
  compose: ({ q, k, v }, { numHeads, causal }) => {
    const scale = (q.shape[2] ?? 0) / numHeads
    const scores = tf.matMul(tf.mul(splitHeads(q, numHeads), scale ** -0.5), splitHeads(k, numHeads), false, true)
    const { y: map } = run(softmaxForward, { x: scores }, { causal })
    return { out: mergeHeads(tf.matMul(map, splitHeads(v, numHeads))), map }
  }
}

/** dy, q, k, v [B, N, D], map [B, H, N, N] -> dq, dk, dv [B, N, D]. */
export const attentionBackward: Fused<"dy" | "q" | "k" | "v" | "map", AttentionAttrs, "dq" | "dk" | "dv"> = {
  name: "DiffClipAttentionGrad",
  outputs: ["dq", "dk", "dv"],
  compose: ({ dy, q, k, v, map }, { numHeads }) => {
    const scale = ((q.shape[2] ?? 0) / numHeads) ** -0.5
    const g = splitHeads(dy, numHeads)
    const dv = tf.matMul(map, g, true, false)
    const dMap = tf.matMul(g, splitHeads(v, numHeads), false, true)
    const dScores = tf.mul(run(softmaxBackward, { dy: dMap, y: map }, {}).dx, scale)
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
  const { out, map } = run(attentionForward, { q: q.tensor, k: k.tensor, v: v.tensor }, attrs)
  return record("attention", [q, k, v], out, [q.tensor, k.tensor, v.tensor, map], (dy) => {
    const grads = run(attentionBackward, { dy, q: q.tensor, k: k.tensor, v: v.tensor, map }, attrs)
    return [grads.dq, grads.dk, grads.dv]
  })
}
