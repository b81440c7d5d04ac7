import { Effect } from "effect"
import type { Dataset } from "../api/dataset.ts"
import type { EmbeddingMatrix, Encoders, Evaluation, Evaluator } from "../api/evaluation.ts"
import type { ImageText } from "../api/sample.ts"
import { EvaluationError } from "./errors.ts"
import { checkEmbeddings, chunksOf, type Claim, forEachBatch, noSamples } from "./evaluator.ts"
import { concatRows } from "./matrix.ts"
import { rankWork, retrievalChance, retrievalMetrics, type RetrievalPairs, type RetrievalRanks } from "./recall.ts"

/** What can be asked for; everything has a default. */
export interface RetrievalOptions {
  /** Default 1, 5, 10. */
  readonly ks?: ReadonlyArray<number>
  /** Whether every caption of a picture is a text, or its first alone. Default `all`. */
  readonly captions?: "all" | "first"
  /** Pictures or texts in one call of an encoder. Default 256. */
  readonly batchSize?: number
}

/** A retrieval result. `n` counts the texts, which are the queries of image retrieval; text retrieval has `numImages`. */
export interface RetrievalResult extends Evaluation {
  readonly numImages: number
  readonly numTexts: number
}

const protocol = "retrieval"

/**
 * Retrieval between pictures and captions, both ways, over the whole data set: `imageRetrievalRecall@k` and
 * `textRetrievalRecall@k`. No prompt template. Fails with EvaluationError for a data set without samples, a picture
 * without captions, and embeddings that are not finite. Source: REFERENCE 6.2.
 */
export const makeRetrieval = (
  options: RetrievalOptions = {}
): Evaluator<ImageText, RetrievalResult, EvaluationError> => ({
  name: protocol,
  run: <E, DE, R>(encoders: Encoders<E>, dataset: Dataset<ImageText, DE, R>) =>
    Effect.gen(function* () {
      const claim: Claim = { protocol, dataset: dataset.name }
      const ks = options.ks ?? [1, 5, 10]
      const batchSize = options.batchSize ?? 256
      const images: Array<EmbeddingMatrix> = []
      const texts: Array<EmbeddingMatrix> = []
      const imageOfText: Array<number> = []
      const textsPerImage: Array<number> = []
      yield* forEachBatch(dataset, batchSize, (batch) =>
        Effect.gen(function* () {
          const captions = yield* captionsOf(claim, batch, options.captions ?? "all")
          const keys = batch.map(({ key }) => key)
          const embedded = yield* encoders.encodeImages(batch.map(({ image }) => image))
          images.push(yield* checkEmbeddings(claim, "the image embedding", keys, encoders.embedDim)(embedded))
          yield* Effect.forEach(chunksOf(captions.flat(), batchSize), (part) =>
            encoders.encodeTexts(part).pipe(
              Effect.flatMap(checkEmbeddings(claim, "the text embedding", part, encoders.embedDim)),
              Effect.map((matrix) => texts.push(matrix))
            ), { discard: true })
          for (const own of captions) {
            imageOfText.push(...own.map(() => textsPerImage.length))
            textsPerImage.push(own.length)
          }
        }))
      if (textsPerImage.length === 0) return yield* noSamples(claim, "check its path or pattern")
      const ranks = yield* rankBetweenFibers({
        images: concatRows(images, encoders.embedDim),
        texts: concatRows(texts, encoders.embedDim),
        imageOfText
      })
      return {
        ...claim,
        n: imageOfText.length,
        metrics: retrievalMetrics(ranks, ks),
        chance: retrievalChance(textsPerImage, ks),
        numImages: textsPerImage.length,
        numTexts: imageOfText.length
      }
    })
})

/** Retrieval with recall at 1, 5 and 10 over all captions. */
export const retrieval: Evaluator<ImageText, RetrievalResult, EvaluationError> = makeRetrieval()

/** Large score matrices take minutes: between blocks other fibers run, and an interrupt is heard. */
const rankBetweenFibers = (pairs: RetrievalPairs): Effect.Effect<RetrievalRanks> =>
  Effect.gen(function* () {
    const work = rankWork(pairs)
    for (let block = 0; block < work.numBlocks; block++) {
      work.score(block)
      yield* Effect.yieldNow
    }
    return work.ranks
  })

const captionsOf = (
  claim: Claim,
  batch: ReadonlyArray<ImageText>,
  which: "all" | "first"
): Effect.Effect<ReadonlyArray<ReadonlyArray<string>>, EvaluationError> => {
  const bare = batch.find(({ captions }) => captions.length === 0)
  if (bare === undefined) {
    return Effect.succeed(batch.map(({ captions }) => which === "all" ? captions : captions.slice(0, 1)))
  }
  const message = `${protocol} on ${claim.dataset}: expected at least one caption per picture, got none for ${
    JSON.stringify(bare.key)
  }; leave such pictures out`
  return Effect.fail(new EvaluationError({ reason: "captions", ...claim, key: bare.key, message }))
}
