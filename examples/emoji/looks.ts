import { Effect, Stream } from "effect"
import type { AttentionExample, Backend, Dataset, ImageText, Trained, UnitError } from "diffclip"
import { lookAtPictures, meanOverHeads } from "diffclip"
import type { ClipOf } from "diffclip/models"
import type { ImageError } from "diffclip/node"
import { pictureUrl } from "./nearestPictures.ts"

/**
 * For the pictures with these captions: what the class token's first and second map of the last layer look at, averaged
 * over the head pairs, and their difference.
 */
export const looks = <E, R>(
  trained: Trained<ClipOf<"diffClip">>,
  dataset: Dataset<ImageText, E, R>,
  captions: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<AttentionExample>, E | UnitError | ImageError, R | Backend> =>
  Effect.gen(function* () {
    const plan = { seed: 0, windowSize: 256, order: "sequential" } as const
    const windows = yield* Stream.runCollect(dataset.windows(plan, { epoch: 0, delivered: 0 }))
    const wanted = windows.flat().filter((sample) => captions.includes(sample.captions[0] ?? ""))
    const layer = (yield* lookAtPictures(trained, wanted.map(({ image }) => image))).at(-1)
    if (layer === undefined) return []
    const { imageSize, patchSize } = trained.model.settings
    const side = imageSize / patchSize
    const mapOf = (weights: Float32Array, picture: number) => ({
      rows: side,
      columns: side,
      values: meanOverHeads(weights, layer, picture)
    })
    return yield* Effect.forEach(wanted, (sample, i) =>
      Effect.map(pictureUrl(sample.image), (url) => ({
        picture: { url, name: sample.captions[0] ?? sample.key },
        first: mapOf(layer.first, i),
        second: mapOf(layer.second, i),
        difference: mapOf(layer.difference, i),
        lambda: layer.lambda
      })))
  })
