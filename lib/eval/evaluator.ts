import { Effect, Stream } from "effect"
import type { Dataset } from "../api/dataset.ts"
import type { EmbeddingMatrix } from "../api/evaluation.ts"
import { EvaluationError } from "./errors.ts"
import { checkMatrix, firstNotFiniteRow } from "./matrix.ts"

/** Who asks whom: the part of every error. */
export interface Claim {
  readonly protocol: string
  readonly dataset: string
}

/** Splits a list into pieces of at most `size`. */
export const chunksOf = <A>(items: ReadonlyArray<A>, size: number): ReadonlyArray<ReadonlyArray<A>> =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size))

/** Visits one epoch in stored order, window by window of at most `batchSize` samples. */
export const forEachBatch = <S, DE, R, E>(
  dataset: Dataset<S, DE, R>,
  batchSize: number,
  visit: (batch: ReadonlyArray<S>) => Effect.Effect<void, E>
): Effect.Effect<void, DE | E, R> =>
  dataset.windows({ seed: 0, windowSize: batchSize, order: "sequential" }, { epoch: 0, delivered: 0 }).pipe(
    Stream.runForEach(visit)
  )

/**
 * Passes embeddings on that have `keys.length` rows of the width E and finite values. Another shape is a defect of the
 * encoder (ShapeError is thrown); a value that is not finite is a model that cannot be scored.
 */
export const checkEmbeddings = (
  claim: Claim,
  what: string,
  keys: ReadonlyArray<string>,
  embedDim: number
) =>
(matrix: EmbeddingMatrix): Effect.Effect<EmbeddingMatrix, EvaluationError> =>
  Effect.suspend(() => {
    checkMatrix(`${claim.protocol}: ${what}`, matrix, embedDim, keys.length)
    const row = firstNotFiniteRow(matrix)
    if (row === undefined) return Effect.succeed(matrix)
    const key = keys[row] ?? ""
    const message = `${claim.protocol} on ${claim.dataset}: expected finite embeddings, but ${what} of ${
      JSON.stringify(key)
    } holds a NaN or an infinity; check the weights of the model`
    return Effect.fail(new EvaluationError({ reason: "notFinite", ...claim, key, message }))
  })

/** The error of a data set that delivered nothing to score. */
export const noSamples = (claim: Claim, hint: string): EvaluationError =>
  new EvaluationError({
    reason: "noSamples",
    ...claim,
    message: `${claim.protocol} on ${claim.dataset}: expected at least one sample, got none; ${hint}`
  })
