import type { EmbeddingMatrix } from "../api/evaluation.ts"
import { ShapeError } from "../tensor/shape.ts"
import { checkMatrix, normalizeRows, rowProduct, scoreBlock } from "./matrix.ts"

/** Pictures [m, E], texts [n, E], neither normalised, and for each text the index of its picture. */
export interface RetrievalPairs {
  readonly images: EmbeddingMatrix
  readonly texts: EmbeddingMatrix
  readonly imageOfText: ArrayLike<number>
}

/** Ranks from 0: of each text's picture among the pictures [n], and of each picture's best text among the texts [m]. */
export interface RetrievalRanks {
  readonly ofImages: Uint32Array
  readonly ofTexts: Uint32Array
}

/** The ranking cut into units of work, so that a caller can let others run between them. */
export interface RankWork {
  readonly numBlocks: number
  readonly score: (block: number) => void
  /** Complete once every block was scored. */
  readonly ranks: RetrievalRanks
}

const blockRows = 64

/** Own products first, then one pass over the score matrix in blocks of texts that counts what beats them. */
export const rankWork = ({ images, texts, imageOfText }: RetrievalPairs): RankWork => {
  checkMatrix("retrievalRanks", images)
  checkMatrix("retrievalRanks", texts, images.columns, imageOfText.length)
  const [pool, queries] = [normalizeRows(images), normalizeRows(texts)]
  const bestScore = new Float32Array(pool.rows).fill(-Infinity)
  const bestText = new Uint32Array(pool.rows).fill(queries.rows)
  for (let t = 0; t < queries.rows; t++) {
    const owner = imageOfText[t] ?? -1
    if (!Number.isInteger(owner) || owner < 0 || owner >= pool.rows) {
      throw new ShapeError("retrievalRanks", `a picture of 0..${pool.rows - 1} for text ${t}`, `${owner}`)
    }
    const score = rowProduct(queries, t, pool, owner)
    if (score > (bestScore[owner] ?? NaN)) [bestScore[owner], bestText[owner]] = [score, t]
  }
  const ranks = { ofImages: new Uint32Array(queries.rows), ofTexts: new Uint32Array(pool.rows) }
  const scores = new Float32Array(blockRows * pool.rows)
  const score = (block: number): void => {
    const first = block * blockRows
    const count = Math.min(blockRows, queries.rows - first)
    scoreBlock(queries, first, count, pool, scores)
    for (let q = 0; q < count; q++) {
      const text = first + q
      const owner = imageOfText[text] ?? -1
      const own = scores[q * pool.rows + owner] ?? NaN
      let rank = 0
      for (let image = 0; image < pool.rows; image++) {
        const score = scores[q * pool.rows + image] ?? NaN
        // Negated, so that a NaN on either side counts against the model.
        if (!(score <= own) || (score === own && image < owner)) rank++
        const best = bestScore[image] ?? NaN
        if (!(score <= best) || (score === best && text < (bestText[image] ?? 0))) {
          ranks.ofTexts[image] = (ranks.ofTexts[image] ?? 0) + 1
        }
      }
      ranks.ofImages[text] = rank
    }
  }
  return { numBlocks: Math.ceil(queries.rows / blockRows), score, ranks }
}

/**
 * Where the right answers stand, by cosine, in both directions; ties follow the order of the candidates, and NaN never
 * helps. A picture without texts gets the rank n. Throws ShapeError for widths or owners that do not fit.
 */
export const retrievalRanks = (pairs: RetrievalPairs): RetrievalRanks => {
  const work = rankWork(pairs)
  for (let block = 0; block < work.numBlocks; block++) work.score(block)
  return work.ranks
}

/** The share of queries whose right answer is among the first k. */
export const recallAtK = (ranks: Uint32Array, k: number): number =>
  ranks.reduce((found, rank) => found + (rank < k ? 1 : 0), 0) / ranks.length

/**
 * `imageRetrievalRecall@k`: mean over texts of [its picture is among the k best pictures] (text to image, the paper's
 * "image retrieval"). `textRetrievalRecall@k`: mean over pictures of [any of its texts is among the k best texts], not
 * the share of its texts that was found. Fractions of 1. Source: REFERENCE 6.2.
 */
export const retrievalMetrics = (
  { ofImages, ofTexts }: RetrievalRanks,
  ks: ReadonlyArray<number>
): Readonly<Record<string, number>> =>
  Object.fromEntries([
    ...ks.map((k) => [imageRecallName(k), recallAtK(ofImages, k)] as const),
    ...ks.map((k) => [textRecallName(k), recallAtK(ofTexts, k)] as const)
  ])

/**
 * The metrics of a random order. Text to image: min(1, k / m). Image to text: the probability that k texts, drawn from n
 * without replacement, hold one of the picture's own, averaged over pictures; `textsPerImage` [m] counts them.
 */
export const retrievalChance = (
  textsPerImage: ArrayLike<number>,
  ks: ReadonlyArray<number>
): Readonly<Record<string, number>> => {
  const counts = Array.from(textsPerImage)
  const numTexts = counts.reduce((sum, count) => sum + count, 0)
  const ofTexts = (k: number): number =>
    counts.reduce((sum, count) => sum + 1 - missProbability(numTexts, count, k), 0) / counts.length
  return Object.fromEntries([
    ...ks.map((k) => [imageRecallName(k), Math.min(1, k / counts.length)] as const),
    ...ks.map((k) => [textRecallName(k), ofTexts(k)] as const)
  ])
}

const imageRecallName = (k: number): string => `imageRetrievalRecall@${k}`
const textRecallName = (k: number): string => `textRetrievalRecall@${k}`

/** (n - own choose k) / (n choose k). */
const missProbability = (n: number, own: number, k: number): number => {
  let miss = 1
  for (let drawn = 0; drawn < Math.min(k, n); drawn++) miss *= Math.max(0, n - own - drawn) / (n - drawn)
  return miss
}
