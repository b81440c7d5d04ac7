import type { EmbeddingMatrix } from "../api/evaluation.ts"
import { normalizeRows, scoreMatrix } from "./matrix.ts"

/** A class and how well a picture fits it. */
export interface ClassScore {
  readonly className: string
  /** softmax of scale times cosine over all classes that were offered; these sum to 1. */
  readonly probability: number
  /** The cosine of picture and class, in [-1, 1]. */
  readonly cosine: number
}

/**
 * How well each picture fits each class, best first; ties in the order of the classes. `images` [n, E] need not be
 * normalised, `classes` [K, E] are `classEmbeddings`, `scale` is the exponential of the model's logitScale. A probability
 * says which of the offered classes fits best, not that one of them is there. Source: REFERENCE 6.1.
 */
export const classScores = (
  images: EmbeddingMatrix,
  classes: EmbeddingMatrix,
  classNames: ReadonlyArray<string>,
  scale: number
): ReadonlyArray<ReadonlyArray<ClassScore>> => {
  const { data: cosines, columns: numClasses } = scoreMatrix(normalizeRows(images), classes)
  return Array.from({ length: images.rows }, (_, row) => {
    const scores = Array.from({ length: numClasses }, (_, k) => cosines[row * numClasses + k] ?? Number.NaN)
    const largest = Math.max(...scores)
    const weights = scores.map((cosine) => Math.exp(scale * (cosine - largest)))
    const sum = weights.reduce((total, weight) => total + weight, 0)
    return scores
      .map((cosine, k) => ({ className: classNames[k] ?? "", probability: (weights[k] ?? Number.NaN) / sum, cosine }))
      .toSorted((a, b) => b.cosine - a.cosine)
  })
}
