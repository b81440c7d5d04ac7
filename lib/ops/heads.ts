import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"

/** [B, N, H * Dh] -> [B, H, N, Dh]: a plain contiguous split of the feature axis, then a swap. */
export const splitHeads = (x: Tensor, numHeads: number): Tensor => {
  const [b = 0, n = 0, d = 0] = x.shape
  return tf.transpose(tf.reshape(x, [b, n, numHeads, d / numHeads]), [0, 2, 1, 3])
}

/** [B, H, N, Dh] -> [B, N, H * Dh]. */
export const mergeHeads = (x: Tensor): Tensor => {
  const [b = 0, h = 0, n = 0, dh = 0] = x.shape
  return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [b, n, h * dh])
}
