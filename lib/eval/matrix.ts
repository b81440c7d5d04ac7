import type { EmbeddingMatrix } from "../api/evaluation.ts"
import { ShapeError, showShape } from "../tensor/shape.ts"

/** Norms below this count as this, so that a zero row stays zero. */
export const normFloor = 1e-12

/** Pool rows whose values stay in cache while a block of queries passes over them. */
const tileRows = 64

/** Throws ShapeError unless the matrix holds `rows * columns` numbers, with that many columns where given. */
export const checkMatrix = (operation: string, matrix: EmbeddingMatrix, columns?: number, rows?: number): void => {
  const { data } = matrix
  const fits = data.length === matrix.rows * matrix.columns && (columns === undefined || columns === matrix.columns) &&
    (rows === undefined || rows === matrix.rows)
  if (fits) return
  const wanted = `[${rows ?? "any"}, ${columns ?? "any"}]`
  throw new ShapeError(operation, wanted, `${showShape([matrix.rows, matrix.columns])} with ${data.length} numbers`)
}

/** The Euclidean norm of a row, accumulated in float64, at least `normFloor`. */
export const rowNorm = ({ columns, data }: EmbeddingMatrix, row: number): number => {
  let sum = 0
  for (let c = row * columns; c < (row + 1) * columns; c++) sum += (data[c] ?? 0) ** 2
  return Math.max(normFloor, Math.sqrt(sum))
}

/** Each row divided by its norm (floor 1e-12): [n, E] -> [n, E]. */
export const normalizeRows = (matrix: EmbeddingMatrix): EmbeddingMatrix => {
  checkMatrix("normalizeRows", matrix)
  const { rows, columns } = matrix
  const data = new Float32Array(rows * columns)
  for (let row = 0; row < rows; row++) {
    const norm = rowNorm(matrix, row)
    for (let c = row * columns; c < (row + 1) * columns; c++) data[c] = (matrix.data[c] ?? 0) / norm
  }
  return { rows, columns, data }
}

/** Matrices of the same width under each other; `columns` is the width of the empty result too. */
export const concatRows = (parts: ReadonlyArray<EmbeddingMatrix>, columns: number): EmbeddingMatrix => {
  const rows = parts.reduce((sum, part) => sum + part.rows, 0)
  const data = new Float32Array(rows * columns)
  let at = 0
  for (const part of parts) {
    checkMatrix("concatRows", part, columns)
    data.set(part.data, at)
    at += part.data.length
  }
  return { rows, columns, data }
}

/** The first row that holds a NaN or an infinity, or undefined. */
export const firstNotFiniteRow = ({ columns, data }: EmbeddingMatrix): number | undefined => {
  const index = data.findIndex((x) => !Number.isFinite(x))
  return index < 0 ? undefined : Math.floor(index / columns)
}

/**
 * The inner product of two rows, accumulated in float64 from the first column on and rounded to float32: the same bits
 * as the entry that `scoreBlock` writes.
 */
export const rowProduct = (a: EmbeddingMatrix, rowA: number, b: EmbeddingMatrix, rowB: number): number => {
  let sum = 0
  for (let c = 0; c < a.columns; c++) sum += (a.data[rowA * a.columns + c] ?? 0) * (b.data[rowB * b.columns + c] ?? 0)
  return Math.fround(sum)
}

/**
 * Inner products of the queries `first` to `first + count - 1` with every row of the pool, into `out` [count, pool.rows],
 * accumulated in float64. Callers walk a large score matrix in blocks, so that it never exists as a whole.
 */
export const scoreBlock = (
  queries: EmbeddingMatrix,
  first: number,
  count: number,
  pool: EmbeddingMatrix,
  out: Float32Array
): void => {
  const { columns, data: a } = queries
  const b = pool.data
  for (let tile = 0; tile < pool.rows; tile += tileRows) {
    const end = Math.min(tile + tileRows, pool.rows)
    for (let q = 0; q < count; q++) {
      const from = (first + q) * columns
      const to = q * pool.rows
      let p = tile
      for (; p + 4 <= end; p += 4) {
        const b0 = p * columns
        const b1 = b0 + columns
        const b2 = b1 + columns
        const b3 = b2 + columns
        let s0 = 0
        let s1 = 0
        let s2 = 0
        let s3 = 0
        for (let c = 0; c < columns; c++) {
          const x = a[from + c] ?? 0
          s0 += x * (b[b0 + c] ?? 0)
          s1 += x * (b[b1 + c] ?? 0)
          s2 += x * (b[b2 + c] ?? 0)
          s3 += x * (b[b3 + c] ?? 0)
        }
        out[to + p] = s0
        out[to + p + 1] = s1
        out[to + p + 2] = s2
        out[to + p + 3] = s3
      }
      for (; p < end; p++) out[to + p] = rowProduct(queries, first + q, pool, p)
    }
  }
}

/** All inner products: [n, E] and [m, E] -> [n, m]. For score matrices that fit in memory. */
export const scoreMatrix = (queries: EmbeddingMatrix, pool: EmbeddingMatrix): EmbeddingMatrix => {
  checkMatrix("scoreMatrix", queries)
  checkMatrix("scoreMatrix", pool, queries.columns)
  const data = new Float32Array(queries.rows * pool.rows)
  scoreBlock(queries, 0, queries.rows, pool, data)
  return { rows: queries.rows, columns: pool.rows, data }
}
