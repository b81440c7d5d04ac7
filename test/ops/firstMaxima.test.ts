import * as tf from "@tensorflow/tfjs-core"
import fc from "fast-check"
import { expect, it } from "vitest"
import * as ops from "../../lib/ops/index.ts"
import { onEachEngine, runs } from "../engines.ts"

onEachEngine(() => {
  it("each row gives the place of its first maximum among all elements", () => {
    const rows = fc.integer({ min: 1, max: 4 }).chain((columns) =>
      fc.array(fc.array(fc.integer({ min: 0, max: 3 }), { minLength: columns, maxLength: columns }), {
        minLength: 1,
        maxLength: 5
      })
    )
    fc.assert(
      fc.property(rows, (ids) => {
        const columns = ids[0]?.length ?? 0
        const expected = ids.map((row, r) => r * columns + row.indexOf(Math.max(...row)))
        const x = tf.tensor2d(ids, [ids.length, columns], "int32")
        const found = ops.firstMaxima(x)
        expect([found.dtype, [...found.dataSync()]]).toEqual(["int32", expected])
        tf.dispose([x, found])
      }),
      runs(50)
    )
  })

  it("ids as large as a vocabulary stay exact", () => {
    const x = tf.tensor2d([49405, 49407, 49407, 49406, 0, 49406], [2, 3], "int32")
    const found = ops.firstMaxima(x)
    expect([...found.dataSync()]).toEqual([1, 3])
    tf.dispose([x, found])
  })
})
