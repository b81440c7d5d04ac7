import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import { dims2 } from "../tensor/index.ts"
import { type Fused, run } from "./kernel.ts"

/** x [R, N] float32 or int32 -> y [R] int32: N r + the column of the first maximum of row r. */
export const firstMaximaForward: Fused<"x", Record<never, never>, "y"> = {
  name: "DiffClipFirstMaxima",
  outputs: ["y"],
  compose: ({ x }) => {
    const [rows = 0, columns = 0] = x.shape
    return { y: tf.add(tf.argMax(x, 1), tf.range(0, rows * columns, columns, "int32")) }
  }
}

/**
 * Where the first maximum of each row of x [R, N] stands among all its elements, [R] int32: row r gives N r + column.
 * Not differentiable: for token ids, of which the largest marks the end of the text.
 */
export const firstMaxima = (x: Tensor): Tensor => {
  dims2("firstMaxima", "x", x)
  return tf.tidy(() => run(firstMaximaForward, { x }, {}).y)
}
