import * as tf from "@tensorflow/tfjs-core"
import { describe, expect, it } from "vitest"
import { gatherRowsBackward, gatherRowsForward } from "../../lib/ops/gatherRows.ts"
import { byKernel, expectAgreement, integers, normals } from "./compare.ts"
import { engine } from "./device.ts"

/** Whole numbers below `rows`, many of them 0, as those of padded captions are. */
const someIds = (n: number, rows: number): Array<number> =>
  Array.from({ length: n }, (_, i) => i % 3 === 0 ? 0 : (i * 7919 + 13) % rows)

/** The sums by row in the order of dy, each rounded to a float. */
const sumsInOrder = (dy: Float32Array | Int32Array, ids: ReadonlyArray<number>, rows: number, d: number) => {
  const sums = new Float32Array(rows * d)
  ids.forEach((id, i) => {
    for (let c = 0; c < d; c++) sums[id * d + c] = (sums[id * d + c] ?? 0) + (dy[i * d + c] ?? 0)
  })
  return sums
}

describe("gatherRows on the GPU", () => {
  it.each([[1, 1, 4], [17, 5, 7], [33, 49, 8], [5, 40, 64]])(
    "%i indices take their rows of a table [%i, %i], to the bit",
    async (n, rows, d) => {
      const inputs = { table: normals("table", [rows, d]), indices: integers([n], someIds(n, rows)) }
      await expectAgreement(gatherRowsForward, inputs, {}, 0)
    }
  )

  it.each([[1, 1, 4], [17, 5, 7], [33, 49, 8], [256, 300, 8], [257, 300, 8], [616, 49, 7]])(
    "the gradients of %i indices into a table [%i, %i] are summed in their order, to the bit, each time",
    async (n, rows, d) => {
      const inputs = { dy: normals("dy", [n, d]), indices: integers([n], someIds(n, rows)) }
      // The composition's own sums are in some other order.
      const { dTable } = await expectAgreement(gatherRowsBackward, inputs, { rows }, 1e-6)
      expect(dTable).toEqual(sumsInOrder(inputs.dy.values, someIds(n, rows), rows, d))
      expect((await byKernel(gatherRowsBackward, inputs, { rows })).dTable).toEqual(dTable)
    }
  )

  it.each([9, 300])("no gradient at all is zeros, and %i that name no row go nowhere", async (n) => {
    const none = { dy: normals("dy", [0, 8]), indices: integers([0], []) }
    expect((await byKernel(gatherRowsBackward, none, { rows: 6 })).dTable).toEqual(new Float32Array(48))
    const outside = integers([n], Array.from({ length: n }, (_, i) => [-1, 6, 2 ** 31 - 1, -(2 ** 31)][i % 4] ?? 0))
    const lost = await byKernel(gatherRowsBackward, { dy: normals("dy", [n, 8]), indices: outside }, { rows: 6 })
    expect(lost.dTable).toEqual(new Float32Array(48))
  })

  it("an index that names no row shows as NaN, and leaves the others alone", async () => {
    const table = normals("table", [6, 4])
    const { y } = await byKernel(gatherRowsForward, { table, indices: integers([4], [5, 6, -1, 0]) }, {})
    expect([...y.subarray(0, 4)]).toEqual([...table.values.subarray(20)])
    expect([...y.subarray(4, 12)].every(Number.isNaN)).toBe(true)
    expect([...y.subarray(12)]).toEqual([...table.values.subarray(0, 4)])
  })

  it("indices that come as floats are cut off to whole numbers", async () => {
    const indices = { shape: [4], values: Float32Array.of(1.9, 0.2, 2, 1) }
    await expectAgreement(gatherRowsForward, { table: normals("table", [3, 8]), indices }, {}, 0)
    const { dTable } = await byKernel(gatherRowsBackward, { dy: normals("dy", [4, 8]), indices }, { rows: 3 })
    const whole = { dy: normals("dy", [4, 8]), indices: integers([4], [1, 0, 2, 1]) }
    expect(dTable).toEqual((await byKernel(gatherRowsBackward, whole, { rows: 3 })).dTable)
  })

  it("a NaN in one gradient stays in its own row", async () => {
    const dy = normals("dy", [300, 8])
    dy.values[8 * 299 + 3] = Number.NaN
    const indices = integers([300], Array.from({ length: 300 }, (_, i) => i === 299 ? 4 : i % 4))
    const { dTable } = await byKernel(gatherRowsBackward, { dy, indices }, { rows: 5 })
    expect([...dTable.keys()].filter((i) => Number.isNaN(dTable[i] ?? 0))).toEqual([8 * 4 + 3])
  })

  it("the gradient of a pooled token is one dispatch, the one of captions two", async () => {
    const { gpu } = await engine()
    const dispatches = async (n: number): Promise<number> => {
      const before = gpu.counters().dispatches
      await byKernel(gatherRowsBackward, { dy: normals("dy", [n, 8]), indices: integers([n], someIds(n, 99)) }, {
        rows: 99
      })
      return gpu.counters().dispatches - before
    }
    expect([await dispatches(64), await dispatches(300)]).toEqual([1, 2])
    expect(tf.getBackend()).toBe((await engine()).name)
  })
})
