import * as tf from "@tensorflow/tfjs-core"
import type { Value } from "../tensor/index.ts"
import { record } from "../tensor/index.ts"
import { type Fused, run } from "./kernel.ts"

/** x -> y, elementwise, any shape: x/2 (1 + erf(x / sqrt 2)). */
export const geluForward: Fused<"x", Record<never, never>, "y"> = {
  name: "DiffClipGelu",
  outputs: ["y"],
  compose: ({ x }) => ({ y: tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1)) })
}

/** dy, x -> dx = dy (Phi(x) + x phi(x)). */
export const geluBackward: Fused<"dy" | "x", Record<never, never>, "dx"> = {
  name: "DiffClipGeluGrad",
  outputs: ["dx"],
  compose: ({ dy, x }) => {
    const cdf = tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5)
    const pdf = tf.mul(tf.exp(tf.mul(tf.square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI))
    return { dx: tf.mul(dy, tf.add(cdf, tf.mul(x, pdf))) }
  }
}

/** The exact (erf) GELU of the vision tower. */
export const gelu = (x: Value): Value =>
  record("gelu", [x], run(geluForward, { x: x.tensor }, {}).y, [x.tensor], (dy) => [
    run(geluBackward, { dy, x: x.tensor }, {}).dx
  ])
