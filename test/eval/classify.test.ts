import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { EmbeddingMatrix } from "../../lib/api/index.ts"
import { classScores, nearest, normalizeRows } from "../../lib/eval/index.ts"

const matrix = (rows: number, columns: number): fc.Arbitrary<EmbeddingMatrix> =>
  fc.array(fc.double({ min: -2, max: 2, noNaN: true }), { minLength: rows * columns, maxLength: rows * columns })
    .filter((numbers) =>
      Array.from({ length: rows }, (_, row) => numbers.slice(row * columns, (row + 1) * columns))
        .every((row) => Math.hypot(...row) > 1e-3)
    )
    .map((numbers) => ({ rows, columns, data: Float32Array.from(numbers) }))

const names = ["cat", "dog", "car", "heart"]

describe("classScores", () => {
  it("gives each picture probabilities that sum to one, best first, and the nearest class at the head", () => {
    fc.assert(
      fc.property(matrix(3, 5), matrix(4, 5), fc.double({ min: 1, max: 100, noNaN: true }), (images, texts, scale) => {
        const classes = normalizeRows(texts)
        const scores = classScores(images, classes, names, scale)
        const best = nearest(images, classes, 1)
        scores.forEach((list, i) => {
          expect(list.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 9)
          expect(list.map(({ cosine }) => cosine)).toEqual(list.map(({ cosine }) => cosine).toSorted((a, b) => b - a))
          expect(list[0]?.cosine).toBeCloseTo(best[i]?.[0]?.score ?? Number.NaN, 6)
        })
      })
    )
  })

  it("a scale of 100 and cosines 1 and 0 leave the other class e^-100 of the weight", () => {
    const images = { rows: 1, columns: 2, data: Float32Array.of(3, 0) }
    const classes = { rows: 2, columns: 2, data: Float32Array.of(0, 1, 1, 0) }
    const [scores] = classScores(images, classes, ["up", "right"], 100)
    expect(scores?.map(({ className }) => className)).toEqual(["right", "up"])
    expect(scores?.[1]?.probability).toBeCloseTo(Math.exp(-100), 50)
  })
})
