import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import type { Value } from "../tensor/index.ts"
import { dimOf, record } from "../tensor/index.ts"
import { type Fused, run, view } from "./kernel.ts"

/** x [..., R, N] -> y: softmax of each row; with `causal`, row r of each [R, N] map sees columns 0..r only. */
export const softmaxForward: Fused<"x", { readonly causal: boolean }, "y"> = {
  name: "DiffClipSoftmax",
  outputs: ["y"],
  compose: ({ x }, { causal }) => ({ y: tf.softmax(causal ? hideLater(x) : x) })
}

/** dy, y [..., N] -> dx = y (dy - rowsum(dy y)). */
export const softmaxBackward: Fused<"dy" | "y", Record<never, never>, "dx"> = {
  name: "DiffClipSoftmaxGrad",
  outputs: ["dx"],
  compose: ({ dy, y }) => {
    const weighted = tf.mul(dy, y)
    return { dx: tf.sub(weighted, tf.mul(y, tf.sum(weighted, -1, true))) }
  }
}

/** Not -Infinity: a GPU may compute as if there were none. Either way exp makes 0 of it. */
const HIDDEN = -1e30

/** Scores [..., R, N] with what stands above the diagonal of each [R, N] map hidden. */
export const hideLater = (scores: Tensor): Tensor => {
  const [rows, columns] = [dimOf("softmax", scores.shape, -2), dimOf("softmax", scores.shape, -1)]
  const isSeen = new Uint8Array(rows * columns)
  for (let r = 0; r < rows; r++) isSeen.fill(1, r * columns, r * columns + r + 1)
  return tf.where(tf.tensor2d(isSeen, [rows, columns], "bool"), scores, tf.scalar(HIDDEN))
}

/** Softmax over the last axis; `causal` hides what stands above the diagonal of each [R, N] map. */
export const softmax = (x: Value, mask: "none" | "causal" = "none"): Value => {
  dimOf("softmax", x.tensor.shape, mask === "causal" ? -2 : -1)
  const { y } = run(softmaxForward, { x: x.tensor }, { causal: mask === "causal" })
  return record("softmax", [x], y, [y], (dy) => [view(run(softmaxBackward, { dy, y }, {}).dx, x.tensor.shape)])
}
