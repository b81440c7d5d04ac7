import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { concatRows, firstNotFiniteRow, nearest, normalizeRows, scoreMatrix, topK } from "../../lib/eval/index.ts"
import { rowProduct } from "../../lib/eval/matrix.ts"
import { ShapeError } from "../../lib/tensor/index.ts"
import { matrix, randomMatrix, testKey } from "./fakes.ts"

describe("matrices", () => {
  it("normalised rows have norm 1, and a zero row stays zero", () => {
    const { data } = normalizeRows(matrix([[3, 4], [0, 0], [1e-20, 0], [1e20, 1e20]]))
    expect([...data.subarray(0, 4)]).toEqual([Math.fround(0.6), Math.fround(0.8), 0, 0])
    expect(data[4]).toBeCloseTo(1e-8, 12)
    expect(data[6]).toBeCloseTo(Math.SQRT1_2, 6)
  })
  it("blocked scores have the bits of the plain inner products, at every remainder of the tile", () => {
    for (const [rows, poolRows, columns] of [[1, 1, 1], [3, 4, 7], [5, 63, 16], [2, 65, 3], [7, 130, 33]] as const) {
      const a = randomMatrix(testKey("a", poolRows), rows, columns)
      const b = randomMatrix(testKey("b", poolRows), poolRows, columns)
      const { data } = scoreMatrix(a, b)
      for (let i = 0; i < rows; i++) {
        for (let j = 0; j < poolRows; j++) expect(data[i * poolRows + j]).toBe(rowProduct(a, i, b, j))
      }
    }
  })
  it("matrices of other widths are refused with both shapes", () => {
    expect(() => scoreMatrix(matrix([[1, 2]]), matrix([[1, 2, 3]]))).toThrow(ShapeError)
    expect(() => concatRows([matrix([[1, 2]])], 3)).toThrow("expected [any, 3], found [1, 2]")
  })
  it("the first row with a NaN or an infinity is found", () => {
    expect(firstNotFiniteRow(matrix([[1, 2], [3, 4]]))).toBeUndefined()
    expect(firstNotFiniteRow(matrix([[1, 2], [3, Infinity], [NaN, 0]]))).toBe(1)
  })
})

describe("topK", () => {
  it("is the start of a stable sort from the largest down", () => {
    fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 6 })), fc.integer({ min: 0, max: 9 }), (scores, k) => {
      const order = scores.map((score, index) => ({ score, index })).sort((a, b) => b.score - a.score)
      expect(topK(scores, k)).toEqual(order.slice(0, k).map(({ index }) => index))
    }))
  })
  it("puts NaN last", () => {
    expect(topK([NaN, 1, NaN, 2], 3)).toEqual([3, 1, 0])
  })
})

describe("nearest", () => {
  it("ranks by cosine, not by length", () => {
    const found = nearest(matrix([[1, 0]]), matrix([[9, 9], [0.1, 0], [0, 5]]), 2)
    expect(found[0]?.map(({ index }) => index)).toEqual([1, 0])
    expect(found[0]?.[1]?.score).toBeCloseTo(Math.SQRT1_2, 6)
  })
})
