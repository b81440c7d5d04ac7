import * as tf from "@tensorflow/tfjs-core"
import type { Value } from "../tensor/index.ts"
import { record, ShapeError, showShape } from "../tensor/index.ts"
import { type Fused, run } from "./kernel.ts"

/** images [B, C, S, S] -> y [B, P, C p p], P = (S / p)^2: patches row by row, each flattened as [C, p, p]. */
export const patchifyForward: Fused<"images", { readonly patchSize: number }, "y"> = {
  name: "DiffClipPatchify",
  outputs: ["y"],
  compose: ({ images }, { patchSize: p }) => {
    const [b = 0, c = 0, s = 0] = images.shape
    const g = s / p
    const grid = tf.transpose(tf.reshape(images, [b, c, g, p, g, p]), [0, 2, 4, 1, 3, 5]) // -> [B, g, g, C, p, p]
    return { y: tf.reshape(grid, [b, g * g, c * p * p]) }
  }
}

/**
 * Cuts square images [B, C, S, S] into patches [B, P, C p p], so that a convolution with stride = kernel = p is one
 * matrix product. The images need no gradient, so none is defined: asking for one is an error.
 */
export const patchify = (images: Value, patchSize: number): Value => {
  const [b, c, h, w] = images.tensor.shape
  if (b === undefined || c === undefined || h === undefined || h !== w || h % patchSize !== 0) {
    throw new ShapeError(
      "patchify",
      `images [B, C, S, S] with S a multiple of ${patchSize}`,
      showShape(images.tensor.shape)
    )
  }
  const { y } = run(patchifyForward, { images: images.tensor }, { patchSize })
  return record("patchify", [images], y, [], () => {
    throw new Error("patchify: gradients with respect to images are not defined")
  })
}
