import type { Effect } from "effect"
import type { Dataset, LabelledDataset } from "./dataset.ts"
import type { ImageLabel, RgbImage } from "./sample.ts"

/** Embeddings of pictures or texts: [n, E] row-major, not normalised. */
export interface EmbeddingMatrix<E extends number = number> {
  readonly rows: number
  readonly columns: E
  readonly data: Float32Array
}

/**
 * What a data set has whose pictures were embedded before. Its samples carry empty pictures: `rowOf` gives the embedding
 * [E] of one, not normalised, or undefined for a picture that this data set did not deliver.
 */
export interface CachedEmbeddings<E extends number = number> {
  readonly embedDim: E
  /** The embedding [E] of a sample's picture; undefined for a picture of another set. */
  readonly rowOf: (image: RgbImage) => Float32Array | undefined
}

/** Both towers of a trained model, as functions from samples to embeddings of width W; batching is theirs. */
export interface Encoders<E = never, W extends number = number> {
  readonly embedDim: W
  /** n pictures of any size -> [n, E]. */
  readonly encodeImages: (images: ReadonlyArray<RgbImage>) => Effect.Effect<EmbeddingMatrix<W>, E>
  /** n texts -> [n, E]. */
  readonly encodeTexts: (texts: ReadonlyArray<string>) => Effect.Effect<EmbeddingMatrix<W>, E>
}

/** A result and the claim it answers: metrics as fractions with the chance level beside each. */
export interface Evaluation {
  readonly protocol: string
  readonly dataset: string
  /** How many queries were scored. */
  readonly n: number
  readonly metrics: Readonly<Record<string, number>>
  /** The value of each metric for a random guess. */
  readonly chance: Readonly<Record<string, number>>
}

/** What an evaluator of samples S reads: labelled pictures come with their class names and templates. */
export type DatasetFor<S, E, R> = S extends ImageLabel ? LabelledDataset<S, E, R> : Dataset<S, E, R>

/**
 * A protocol: asks the encoders about a data set of samples S and gives a result with its claim. `Err` is how the
 * protocol itself can fail (nothing to score, embeddings that are not finite).
 */
export interface Evaluator<S, Result extends Evaluation, Err = never> {
  readonly name: string
  /** Asks, and gives the result; fails as the encoders, the data set or the protocol do. */
  readonly run: <E, DE, R>(
    encoders: Encoders<E>,
    dataset: DatasetFor<S, DE, R>
  ) => Effect.Effect<Result, E | DE | Err, R>
}
