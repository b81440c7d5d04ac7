import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import { gatherRowsBackward } from "../../../ops/gatherRows.ts"
import { composed, type Replacement } from "../tfjs.ts"

/** Numbers of the comparison of ids with ids that are held at once: 16 MiB. */
const MOST = 2 ** 22

/** ids [n] and rows `begin` to `end` of them -> for each of these the sum of dy over all rows with its id, 0 but at the first. */
const sumsOf = (ids: Tensor, dy: Tensor, begin: number, end: number): Tensor =>
  tf.tidy(() => {
    const own = tf.reshape(tf.slice(ids, [begin], [end - begin]), [end - begin, 1])
    const isSame = tf.cast(tf.equal(own, tf.reshape(ids, [1, -1])), "float32") // [c, n]
    const isFirst = tf.equal(tf.argMax(isSame, 1), tf.range(begin, end, 1, "int32")) // [c]
    return tf.mul(tf.matMul(isSame, dy), tf.reshape(tf.cast(isFirst, "float32"), [-1, 1])) // [c, D]
  })

/**
 * The gradient of an embedding without atomic sums of unknown order: the rows of one id are added up by a matrix
 * product, and the scatter then adds zeros to them alone, so that a step repeats bit for bit. n^2 D operations.
 */
export const gatherRowsKernels: ReadonlyArray<Replacement> = [
  composed(gatherRowsBackward, ({ dy, indices }, { rows }) => ({
    dTable: tf.tidy(() => {
      const n = indices.size
      const ids = tf.reshape<tf.Rank.R1>(tf.cast(indices, "int32"), [n])
      const chunk = Math.max(1, Math.floor(MOST / n))
      const sums = Array.from(
        { length: Math.ceil(n / chunk) },
        (_, i) => sumsOf(ids, dy, i * chunk, Math.min(n, (i + 1) * chunk))
      )
      return tf.unsortedSegmentSum(sums.length === 1 && sums[0] !== undefined ? sums[0] : tf.concat(sums, 0), ids, rows)
    })
  }))
]
