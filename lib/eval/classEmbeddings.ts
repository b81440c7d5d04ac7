import type { EmbeddingMatrix } from "../api/evaluation.ts"
import { ShapeError } from "../tensor/shape.ts"
import { checkMatrix, normFloor, rowNorm } from "./matrix.ts"

/**
 * One unit vector per class: each row normalised, averaged over the class, normalised again. `texts` holds a matrix
 * [T, E] per class, a row for every template (and every synonym); T may differ. Result [K, E], sums in float64.
 * Averaging without the first normalisation gives other numbers. Source: REFERENCE 6.1, trap 46.
 */
export const classEmbeddings = (texts: ReadonlyArray<EmbeddingMatrix>): EmbeddingMatrix => {
  const columns = texts[0]?.columns ?? 0
  const data = new Float32Array(texts.length * columns)
  texts.forEach((matrix, index) => {
    checkMatrix("classEmbeddings", matrix, columns)
    if (matrix.rows === 0) throw new ShapeError("classEmbeddings", "at least one text per class", `none in ${index}`)
    data.set(unitMean(matrix), index * columns)
  })
  return { rows: texts.length, columns, data }
}

const unitMean = (matrix: EmbeddingMatrix): Float64Array => {
  const { rows, columns, data } = matrix
  const mean = new Float64Array(columns)
  for (let row = 0; row < rows; row++) {
    const weight = 1 / (rowNorm(matrix, row) * rows)
    for (let c = 0; c < columns; c++) mean[c] = (mean[c] ?? 0) + weight * (data[row * columns + c] ?? 0)
  }
  const norm = Math.max(normFloor, Math.sqrt(mean.reduce((sum, x) => sum + x * x, 0)))
  return mean.map((x) => x / norm)
}
