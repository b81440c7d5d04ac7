import * as tf from "@tensorflow/tfjs-core"
import type { Value } from "../tensor/index.ts"
import { record } from "../tensor/index.ts"
import { type Fused, run } from "./kernel.ts"

const SLOPE = 1.702

/** x -> y, elementwise, any shape: x sigmoid(1.702 x). */
export const quickGeluForward: Fused<"x", Record<never, never>, "y"> = {
  name: "DiffClipQuickGelu",
  outputs: ["y"],
  compose: ({ x }) => ({ y: tf.mul(x, tf.sigmoid(tf.mul(x, SLOPE))) })
}

/** dy, x -> dx = dy s (1 + 1.702 x (1 - s)), s = sigmoid(1.702 x). */
export const quickGeluBackward: Fused<"dy" | "x", Record<never, never>, "dx"> = {
  name: "DiffClipQuickGeluGrad",
  outputs: ["dx"],
  compose: ({ dy, x }) => {
    const s = tf.sigmoid(tf.mul(x, SLOPE))
    return { dx: tf.mul(dy, tf.mul(s, tf.add(tf.mul(tf.mul(x, SLOPE), tf.sub(1, s)), 1))) }
  }
}

/** The QuickGELU of the text tower. */
export const quickGelu = (x: Value): Value =>
  record("quickGelu", [x], run(quickGeluForward, { x: x.tensor }, {}).y, [x.tensor], (dy) => [
    run(quickGeluBackward, { dy, x: x.tensor }, {}).dx
  ])
