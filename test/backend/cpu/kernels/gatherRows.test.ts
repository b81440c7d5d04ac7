import * as tf from "@tensorflow/tfjs-core"
import { describe, expect, it } from "vitest"
import { gatherRowsBackward, gatherRowsForward } from "../../../../lib/ops/gatherRows.ts"
import { run } from "../../../../lib/ops/kernel.ts"
import { expectComposition, noise, useEngine } from "../engine.ts"

useEngine(2)

describe("gatherRows kernel", () => {
  it("equals its composition; rows of gradients add up where an index repeats", () => {
    for (const [v, d, n] of [[1, 1, 1], [5, 3, 9], [50, 65, 1100]] as const) {
      const indices = { shape: [n], values: Array.from({ length: n }, (_, i) => (i * i) % v), dtype: "int32" as const }
      expectComposition(gatherRowsForward, { table: noise("table", [v, d]), indices }, {})
      expectComposition(gatherRowsBackward, { dy: noise("dy", [n, d]), indices }, { rows: v })
      const floats = { shape: [n], values: indices.values }
      expectComposition(gatherRowsForward, { table: noise("table", [v, d]), indices: floats }, {})
    }
  })

  it("refuses an index outside the table, in both directions", () => {
    for (const index of [-1, 3]) {
      tf.tidy(() => {
        const indices = tf.tensor1d([0, index], "int32")
        const forward = (): unknown => run(gatherRowsForward, { table: tf.ones([3, 2]), indices }, {})
        const backward = (): unknown => run(gatherRowsBackward, { dy: tf.ones([2, 2]), indices }, { rows: 3 })
        expect(forward).toThrow(/index -?\d+ at position 1 names no row of a table of 3 rows/)
        expect(backward).toThrow(/names no row of a table of 3 rows/)
      })
    }
  })
})
