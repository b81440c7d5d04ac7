import type { EmbeddingMatrix } from "../api/evaluation.ts"
import { ShapeError } from "../tensor/shape.ts"
import { checkMatrix } from "./matrix.ts"

/** Fractions of 1. `top5` is absent below five classes. */
export type ZeroShotFractions = {
  readonly top1: number
  readonly top5?: number
  readonly meanPerClass: number
}

/** What logits say against their targets. `confusion` [K, K] counts pictures: row the target, column the prediction. */
export interface ZeroShotMetrics {
  readonly metrics: ZeroShotFractions
  readonly predictions: Uint32Array
  readonly confusion: Uint32Array
}

/** Counts predictions batch by batch, so that the logits of a whole data set never exist at once. */
export interface ZeroShotCounter {
  /**
   * Counts logits [n, K] against targets [n] and gives the predictions. Throws ShapeError for other sizes, RangeError for
   * a target out of range or a NaN logit.
   */
  readonly add: (logits: EmbeddingMatrix, targets: ArrayLike<number>) => Uint32Array
  /** Pictures counted so far. */
  readonly numPictures: () => number
  /** The metrics of all that was counted, at least one picture; RangeError without one. */
  readonly result: () => Pick<ZeroShotMetrics, "metrics" | "confusion">
}

/** Counts nothing yet, for K classes. Rules and source are those of `zeroShotMetrics`. */
export const zeroShotCounter = (numClasses: number): ZeroShotCounter => {
  const confusion = new Uint32Array(numClasses * numClasses)
  let numTop5 = 0
  let n = 0
  return {
    add: (logits, targets) => {
      checkMatrix("zeroShotMetrics", logits, numClasses)
      const { rows } = logits
      if (targets.length !== rows) {
        throw new ShapeError("zeroShotMetrics", `a target for each of ${rows} rows`, `${targets.length}`)
      }
      const predictions = new Uint32Array(rows)
      for (let row = 0; row < rows; row++) {
        const target = targets[row] ?? -1
        const { best, rank } = placesOf(logits, row, target)
        predictions[row] = best
        const cell = target * numClasses + best
        confusion[cell] = (confusion[cell] ?? 0) + 1
        if (rank < 5) numTop5++
        n++
      }
      return predictions
    },
    numPictures: () => n,
    result: () => {
      if (n === 0) throw new RangeError("zeroShotMetrics: expected at least one picture, found none")
      const shares = classShares(confusion, numClasses)
      const numRight = shares.reduce((sum, { right }) => sum + right, 0)
      const present = shares.filter(({ total }) => total > 0)
      const meanPerClass = present.reduce((sum, { right, total }) => sum + right / total, 0) / present.length
      return {
        metrics: { top1: numRight / n, ...(numClasses < 5 ? {} : { top5: numTop5 / n }), meanPerClass },
        confusion: confusion.slice()
      }
    }
  }
}

/**
 * Top-1, top-5 and mean per class from logits [n, K] and targets [n] in 0..K-1. Ties go to the lower index. Mean per
 * class is the mean, over the classes that occur among the targets, of the share that is right in the class
 * (CLIP_benchmark's rule). Throws ShapeError for other sizes, RangeError for no row, a target out of range or a NaN logit.
 * Source: REFERENCE 6.1.
 */
export const zeroShotMetrics = (logits: EmbeddingMatrix, targets: ArrayLike<number>): ZeroShotMetrics => {
  const counter = zeroShotCounter(logits.columns)
  const predictions = counter.add(logits, targets)
  return { ...counter.result(), predictions }
}

/** Pictures of each class that were put right, out of all of it. */
export const classShares = (
  confusion: ArrayLike<number>,
  numClasses: number
): ReadonlyArray<{ readonly right: number; readonly total: number }> =>
  Array.from({ length: numClasses }, (_, index) => {
    let total = 0
    for (let c = 0; c < numClasses; c++) total += confusion[index * numClasses + c] ?? 0
    return { right: confusion[index * numClasses + index] ?? 0, total }
  })

/** The chance level of each metric for K classes: a class drawn at random, five different ones for top-5. */
export const zeroShotChance = (numClasses: number): ZeroShotFractions => ({
  top1: 1 / numClasses,
  ...(numClasses < 5 ? {} : { top5: Math.min(1, 5 / numClasses) }),
  meanPerClass: 1 / numClasses
})

/** The best class of a row and the rank of its target, from 0; equal logits rank in the order of the classes. */
const placesOf = (
  { columns, data }: EmbeddingMatrix,
  row: number,
  target: number
): { readonly best: number; readonly rank: number } => {
  const own = data[row * columns + target]
  if (!Number.isInteger(target) || target < 0 || target >= columns || own === undefined) {
    throw new RangeError(`zeroShotMetrics: target ${target} of row ${row} is no class of 0..${columns - 1}`)
  }
  let best = 0
  let highest = -Infinity
  let rank = 0
  for (let c = 0; c < columns; c++) {
    const logit = data[row * columns + c] ?? NaN
    if (Number.isNaN(logit)) throw new RangeError(`zeroShotMetrics: the logit [${row}, ${c}] is NaN`)
    if (logit > highest) [best, highest] = [c, logit]
    if (logit > own || (logit === own && c < target)) rank++
  }
  return { best, rank }
}
