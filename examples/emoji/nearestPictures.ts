import { Effect, Stream } from "effect"
import type { EmbeddingMatrix, Encoders, Evaluation, Evaluator, ImageText, RetrievalExample, RgbImage } from "diffclip"
import { dataUrl } from "diffclip"
import { nearest } from "diffclip/eval"
import { encodePng, type ImageError } from "diffclip/node"

/** Captions with their nearest pictures; `metrics` are recalls over these captions alone. */
export interface NearestResult extends Evaluation {
  readonly examples: ReadonlyArray<RetrievalExample>
  readonly numPictures: number
}

const dash = (text: string): string => text.replaceAll(/[^a-z0-9]+/g, " ")

/** A decoded picture as a data URL. */
export const pictureUrl = (image: RgbImage): Effect.Effect<string, ImageError> =>
  Effect.map(encodePng(image), (png) => dataUrl("image/png", png))

/**
 * The `k` pictures nearest to each caption, by cosine, over a whole data set; a caption belongs to the picture whose
 * first caption it is, and captions that no picture has are left out. An evaluator like any other, to show that a
 * program can bring its own.
 */
export const nearestPictures = (
  captions: ReadonlyArray<string>,
  k: number
): Evaluator<ImageText, NearestResult, ImageError> => ({
  name: "nearest pictures",
  run: (encoders, dataset) =>
    Effect.gen(function* () {
      const plan = { seed: 0, windowSize: 256, order: "sequential" } as const
      const windows = yield* Stream.runCollect(dataset.windows(plan, { epoch: 0, delivered: 0 }))
      const samples = windows.flat()
      const asked = captions.filter((caption) => samples.some((sample) => sample.captions[0] === caption))
      const { pool, queries } = yield* embed(encoders, samples, asked)
      const found = nearest(queries, pool, samples.length)
      const examples = yield* Effect.forEach(asked, (caption, i) => exampleOf(caption, samples, found[i] ?? [], k))
      const share = (most: number): number => examples.filter(({ rank }) => rank <= most).length / examples.length
      return {
        protocol: "nearest pictures",
        dataset: dataset.name,
        n: asked.length,
        metrics: { [`recall@${k}`]: share(k) },
        chance: { [`recall@${k}`]: Math.min(1, k / samples.length) },
        examples,
        numPictures: samples.length
      }
    })
})

const embed = <E>(
  encoders: Encoders<E>,
  samples: ReadonlyArray<ImageText>,
  captions: ReadonlyArray<string>
): Effect.Effect<{ readonly pool: EmbeddingMatrix; readonly queries: EmbeddingMatrix }, E> =>
  Effect.all({
    pool: encoders.encodeImages(samples.map(({ image }) => image)),
    queries: encoders.encodeTexts(captions)
  })

const exampleOf = (
  caption: string,
  samples: ReadonlyArray<ImageText>,
  found: ReadonlyArray<{ readonly index: number; readonly score: number }>,
  k: number
): Effect.Effect<RetrievalExample, ImageError> =>
  Effect.gen(function* () {
    const pictureAt = (index: number) =>
      Effect.gen(function* () {
        const sample = samples[index]
        if (sample === undefined) return yield* Effect.die(new RangeError(`no picture ${index}`))
        return { url: yield* pictureUrl(sample.image), name: dash(sample.captions[0] ?? sample.key) }
      })
    const isRight = (index: number): boolean => samples[index]?.captions[0] === caption
    const place = found.findIndex(({ index }) => isRight(index))
    const nearestOnes = yield* Effect.forEach(found.slice(0, k), ({ index, score }) =>
      Effect.map(pictureAt(index), (picture) => ({ ...picture, score, isRight: isRight(index) })))
    const right = yield* pictureAt(samples.findIndex((_, index) =>
      isRight(index)
    ))
    return { caption, nearest: nearestOnes, right, rank: place + 1 }
  })
