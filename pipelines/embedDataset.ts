import { Effect, Stream } from "effect"
import { dual } from "effect/Function"
import type { CachedEmbeddings, Dataset, DualEncoder, Encoders, RgbImage, Trained } from "../lib/api/index.ts"
import type { UnitError } from "../lib/backend/index.ts"
import { Backend } from "../lib/backend/index.ts"
import { fromArray } from "../lib/data/index.ts"
import type { Params } from "../lib/tensor/index.ts"
import { makeEncoders } from "./encoders.ts"
import { WidthMismatch } from "./errors.ts"
import type { ErrorOf, ServicesOf } from "./fits.ts"

/** A data set whose samples carry a picture. */
export type PictureDataset = Dataset<{ readonly key: string; readonly image: RgbImage }, unknown, unknown>

/** D with its embeddings, and without its source, which knows nothing of them: `take` and `cached` would lose them. */
export type Embedded<D, E extends number> = Omit<D, "source" | "options" | "numPlaces"> & CachedEmbeddings<E>

/** `embedDataset` with the model last, for `pipe`, or first. */
export interface EmbedDataset {
  <D extends PictureDataset>(
    dataset: D
  ): <P extends Params, E extends number>(
    trained: Trained<DualEncoder<P, E>>
  ) => Effect.Effect<Embedded<D, E>, UnitError | ErrorOf<D>, ServicesOf<D> | Backend>
  <P extends Params, E extends number, D extends PictureDataset>(
    trained: Trained<DualEncoder<P, E>>,
    dataset: D
  ): Effect.Effect<Embedded<D, E>, UnitError | ErrorOf<D>, ServicesOf<D> | Backend>
}

/** Pictures that are decoded and embedded at once. */
const WINDOW = 256

/**
 * Embeds every picture of a data set once and keeps the embeddings [n, E] in memory, with the other fields of the samples
 * and without the pixels. The result is the same data set for `Pipeline.evaluate`, as often as asked, of any model with
 * the same image tower (other templates, a text tower that was tuned on): texts are embedded by the model that is asked.
 *
 * @example
 * ```ts
 * import { diffClip, Pipeline, retrieval, webdataset } from "diffclip"
 * import { live } from "diffclip/node"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const before = yield* Pipeline.load(diffClip, "runs/first")
 *   const after = yield* Pipeline.load(diffClip, "runs/tuned-text")
 *   const cached = yield* Pipeline.embedDataset(before, webdataset("shards/test"))
 *   return [yield* Pipeline.evaluate(before, retrieval, cached), yield* Pipeline.evaluate(after, retrieval, cached)]
 * })
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(live())))
 * ```
 */
export const embedDataset: EmbedDataset = dual(
  2,
  <P extends Params, E extends number, S extends { readonly key: string; readonly image: RgbImage }, DE, R>(
    { model, params }: Trained<DualEncoder<P, E>>,
    dataset: Dataset<S, DE, R>
  ): Effect.Effect<Omit<Dataset<S, DE, R>, "numPlaces"> & CachedEmbeddings<E>, UnitError | DE, R | Backend> =>
    Effect.gen(function* () {
      const encoders = makeEncoders(model, params, yield* Backend)
      const samples: Array<S> = []
      const rows = new WeakMap<RgbImage, Float32Array>()
      const plan = { seed: 0, windowSize: WINDOW, order: "sequential" as const }
      yield* dataset.windows(plan, { epoch: 0, delivered: 0 }).pipe(
        Stream.runForEach((window) =>
          Effect.map(encoders.encodeImages(window.map(({ image }) => image)), ({ columns, data }) => {
            window.forEach((sample, i) => {
              const image = { width: 0, height: 0, data: new Uint8Array(0) }
              rows.set(image, data.subarray(i * columns, (i + 1) * columns))
              samples.push({ ...sample, image })
            })
          })
        )
      )
      const { windows } = fromArray(dataset.name, samples)
      return {
        ...withoutSource(dataset),
        numSamples: samples.length,
        windows,
        embedDim: model.embedDim,
        rowOf: (image) => rows.get(image)
      }
    })
)

/** All of a data set but where its samples are stored, and the places of those that were left out. */
const withoutSource = <D extends object>(
  dataset: D & { readonly source?: unknown; readonly options?: unknown; readonly numPlaces?: unknown }
): Omit<D, "source" | "options" | "numPlaces"> => {
  const { numPlaces: _places, options: _options, source: _source, ...rest } = dataset
  return rest
}

const holdsEmbeddings = (dataset: object): dataset is CachedEmbeddings => "rowOf" in dataset && "embedDim" in dataset

/**
 * The encoders of a model, answering with a data set's cached embeddings where it has some. Fails with WidthMismatch when
 * those are of another width, which the compiler could not see because the sizes were known at run time only. They fail
 * so (0 wide) for a picture whose embedding is not there: one that was made after it, or whose data set was mixed.
 */
export const withCached = <E>(
  encoders: Encoders<E>,
  dataset: Dataset<unknown, unknown, unknown>
): Effect.Effect<Encoders<E | WidthMismatch>, WidthMismatch> => {
  const lost = (): WidthMismatch => {
    const facts = { dataset: dataset.name, expected: encoders.embedDim, found: 0 }
    const message =
      `evaluate: expected a cached embedding ${facts.expected} wide for each picture of ${dataset.name}, found one ` +
      "without; mix, filter and change data sets before Pipeline.embedDataset, not after"
    return new WidthMismatch({ ...facts, message })
  }
  if (!holdsEmbeddings(dataset)) {
    return Effect.succeed({
      ...encoders,
      encodeImages: (images) =>
        // What embedDataset leaves of a picture.
        images.some(({ data }) => data.length === 0) ? Effect.fail(lost()) : encoders.encodeImages(images)
    })
  }
  const { embedDim, rowOf } = dataset
  if (embedDim !== encoders.embedDim) {
    const facts = { dataset: dataset.name, expected: encoders.embedDim, found: embedDim }
    const message =
      `evaluate: expected cached embeddings ${facts.expected} wide, as this model's are, found ${embedDim} ` +
      `for ${dataset.name}; embed the data set again with this model`
    return Effect.fail(new WidthMismatch({ ...facts, message }))
  }
  return Effect.succeed({
    ...encoders,
    encodeImages: (images) => {
      const rows = images.flatMap((image) => rowOf(image) ?? [])
      if (rows.length < images.length) return Effect.fail(lost())
      const data = new Float32Array(images.length * embedDim)
      rows.forEach((row, i) => data.set(row, i * embedDim))
      return Effect.succeed({ rows: images.length, columns: embedDim, data })
    }
  })
}
