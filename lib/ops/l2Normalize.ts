import * as tf from "@tensorflow/tfjs-core"
import type { Value } from "../tensor/index.ts"
import { record } from "../tensor/index.ts"
import { asRows, type Fused, run, view } from "./kernel.ts"

/** The floor of the norm, as torch's normalize has it. */
const FLOOR = 1e-12

/** x [R, D] -> y [R, D] = x / max(|x|, 1e-12), norm [R] (floored). */
export const l2NormalizeForward: Fused<"x", Record<never, never>, "y" | "norm"> = {
  name: "DiffClipL2Normalize",
  outputs: ["y", "norm"],
  compose: ({ x }) => {
    const norm = tf.maximum(tf.sqrt(tf.sum(tf.square(x), 1, true)), FLOOR)
    return { y: tf.div(x, norm), norm: view(norm, [-1]) }
  }
}

/** dy, y [R, D], norm [R] -> dx = (dy - y (y . dy)) / norm. */
export const l2NormalizeBackward: Fused<"dy" | "y" | "norm", Record<never, never>, "dx"> = {
  name: "DiffClipL2NormalizeGrad",
  outputs: ["dx"],
  compose: ({ dy, y, norm }) => ({
    dx: tf.div(tf.sub(dy, tf.mul(y, tf.sum(tf.mul(dy, y), 1, true))), view(norm, [-1, 1]))
  })
}

/** Each row divided by its L2 norm (floored at 1e-12). x [..., D]. */
export const l2Normalize = (x: Value): Value => {
  const { y, norm } = run(l2NormalizeForward, { x: asRows(x.tensor) }, {})
  return record("l2Normalize", [x], view(y, x.tensor.shape), [y, norm], (dy) => [
    view(run(l2NormalizeBackward, { dy: asRows(dy), y, norm }, {}).dx, x.tensor.shape)
  ])
}
