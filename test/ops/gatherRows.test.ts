import * as tf from "@tensorflow/tfjs-core"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as ops from "../../lib/ops/index.ts"
import { onEachEngine, runs } from "../engines.ts"
import * as oracle from "../reference/index.ts"
import { differentiate, expectOracle, expectShapeError, noise, zeros } from "./against.ts"

describe("gatherRows", () => {
  onEachEngine(() => {
    it("takes rows by index, and the gradients of a row taken often add up", () => {
      const rows = fc.integer({ min: 1, max: 9 }).chain((v) =>
        fc.record({
          v: fc.constant(v),
          d: fc.integer({ min: 1, max: 37 }),
          indices: fc.array(fc.integer({ min: 0, max: v - 1 }), { minLength: 1, maxLength: 24 }),
          seed: fc.nat()
        })
      )
      fc.assert(
        fc.property(rows, ({ v, d, indices, seed }) => {
          const index = tf.tensor1d(indices, "int32")
          expectOracle({
            inputs: { table: noise(seed, "table", [v, d]) },
            ours: (p) => ops.gatherRows(p.table, index),
            oracle: (p) => oracle.gatherRows(p.table, indices)
          })
          index.dispose()
        }),
        runs(30)
      )
    })

    it("keeps the axes of the indices: [B, L] gives [B, L, D]", () => {
      const index = tf.tensor2d([2, 0, 2, 1, 1, 2], [2, 3], "int32")
      expectOracle({
        inputs: { table: noise(1, "table", [4, 5]) },
        ours: (p) => ops.gatherRows(p.table, index),
        oracle: (p) => oracle.gatherRows(p.table, [2, 0, 2, 1, 1, 2], [2, 3])
      })
      index.dispose()
    })

    it("a row that nobody takes has a gradient of exact zeros", () => {
      const index = tf.tensor1d([1, 1], "int32")
      const ones = (shape: ReadonlyArray<number>) => oracle.mapArray(() => 1, oracle.zeros(shape))
      const { grads } = differentiate({ table: noise(1, "table", [3, 2]) }, (p) => ops.gatherRows(p.table, index), ones)
      expect([...grads.table.data]).toEqual([0, 0, 2, 2, 0, 0])
      index.dispose()
    })

    it("refuses a table that is no matrix and an index outside it", () => {
      expectShapeError(
        () => ops.gatherRows(zeros(2, 3, 4), tf.tensor1d([0], "int32")),
        "gatherRows",
        "table of rank 2",
        "[2, 3, 4]"
      )
      for (const bad of [-1, 3]) {
        expect(() => tf.tidy(() => ops.gatherRows(zeros(3, 2), tf.tensor1d([bad], "int32")).tensor)).toThrow(`${bad}`)
      }
    })
  })
})
