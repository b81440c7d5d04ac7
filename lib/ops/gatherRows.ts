import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import type { Value } from "../tensor/index.ts"
import { dims2, record } from "../tensor/index.ts"
import { asRows, type Fused, run, view } from "./kernel.ts"

/** table [V, D], indices [n] (int32, 0..V-1) -> y [n, D]. */
export const gatherRowsForward: Fused<"table" | "indices", Record<never, never>, "y"> = {
  name: "DiffClipGatherRows",
  outputs: ["y"],
  compose: ({ table, indices }) => ({ y: tf.gather(table, tf.cast(indices, "int32")) })
}

/** dy [n, D], indices [n] -> dTable [rows, D]: rows are summed where an index repeats, in the order of dy. */
export const gatherRowsBackward: Fused<"dy" | "indices", { readonly rows: number }, "dTable"> = {
  name: "DiffClipGatherRowsGrad",
  outputs: ["dTable"],
  compose: ({ dy, indices }, { rows }) => ({
    dTable: tf.unsortedSegmentSum(dy, tf.reshape<tf.Rank.R1>(tf.cast(indices, "int32"), [indices.size]), rows)
  })
}

/** Rows of table [V, D] by int32 indices of any shape -> [...indices, D]. The embedding lookup. */
export const gatherRows = (table: Value, indices: Tensor): Value => {
  const [rows, d] = dims2("gatherRows", "table", table.tensor)
  const flat = view(indices, [-1])
  const { y } = run(gatherRowsForward, { table: table.tensor, indices: flat }, {})
  return record("gatherRows", [table], view(y, [...indices.shape, d]), [flat], (dy) => [
    run(gatherRowsBackward, { dy: asRows(dy), indices: flat }, { rows }).dTable
  ])
}
