import type { EmbeddingMatrix } from "../api/evaluation.ts"
import { checkMatrix, normalizeRows, scoreBlock } from "./matrix.ts"

/** A row of the pool and its score (the cosine). */
export interface Neighbour {
  readonly index: number
  readonly score: number
}

/** The indices of the k largest scores, largest first; ties follow the order of the indices, NaN comes last. */
export const topK = (scores: ArrayLike<number>, k: number): ReadonlyArray<number> => {
  const best: Array<number> = []
  const scoreOf = (index: number | undefined): number => {
    const score = index === undefined ? NaN : scores[index] ?? NaN
    return Number.isNaN(score) ? -Infinity : score
  }
  for (let i = 0; i < scores.length; i++) {
    const score = scoreOf(i)
    if (best.length >= k && score <= scoreOf(best.at(-1))) continue
    let place = best.length
    while (place > 0 && scoreOf(best[place - 1]) < score) place--
    best.splice(place, 0, i)
    if (best.length > k) best.pop()
  }
  return best.slice(0, k)
}

/**
 * For each query the k rows of the pool with the largest cosine, best first, ties in the order of the pool. Embeddings
 * [n, E] and [m, E] need not be normalised.
 */
export const nearest = (
  queries: EmbeddingMatrix,
  pool: EmbeddingMatrix,
  k: number
): ReadonlyArray<ReadonlyArray<Neighbour>> => {
  checkMatrix("nearest", pool, queries.columns)
  const [from, to] = [normalizeRows(queries), normalizeRows(pool)]
  const scores = new Float32Array(pool.rows)
  return Array.from({ length: queries.rows }, (_, query) => {
    scoreBlock(from, query, 1, to, scores)
    return topK(scores, k).map((index) => ({ index, score: scores[index] ?? NaN }))
  })
}
