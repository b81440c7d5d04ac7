import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import { dims2 } from "../tensor/index.ts"

/**
 * Where the first maximum of each row of x [R, N] stands among all its elements, [R] int32: row r gives N r + column.
 * Not differentiable: for token ids, of which the largest marks the end of the text.
 */
export const firstMaxima = (x: Tensor): Tensor => {
  const [rows, columns] = dims2("firstMaxima", "x", x)
  return tf.tidy(() => tf.add(tf.argMax(x, 1), tf.range(0, rows * columns, columns, "int32")))
}
