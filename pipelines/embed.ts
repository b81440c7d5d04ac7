import { Effect } from "effect"
import type { DualEncoder, EmbeddingMatrix, RgbImage, Trained } from "../lib/api/index.ts"
import type { UnitError } from "../lib/backend/index.ts"
import { Backend } from "../lib/backend/index.ts"
import type { Params } from "../lib/tensor/index.ts"
import { makeEncoders } from "./encoders.ts"

/** What is to be embedded. */
export interface EmbedInput {
  readonly images?: ReadonlyArray<RgbImage>
  readonly texts?: ReadonlyArray<string>
}

/** Embeddings [n, E] of what was given, not normalised, and exp of the logarithm of the logit scale. */
export interface EmbedResult {
  readonly imageEmbed: EmbeddingMatrix | undefined
  readonly textEmbed: EmbeddingMatrix | undefined
  readonly scale: number
}

/**
 * Embeds pictures and texts with a trained model: `Effect.flatMap(Pipeline.embed({ texts: ["a red heart"] }))`.
 *
 * @example
 * ```ts
 * import { diffClip, Pipeline } from "diffclip"
 * import { live } from "diffclip/node"
 * import { Effect } from "effect"
 *
 * const program = Pipeline.load(diffClip, "runs/first").pipe(
 *   Effect.flatMap(Pipeline.embed({ texts: ["a red heart", "a cat"] })),
 *   Effect.map(({ textEmbed }) => textEmbed?.data), // [2, 512], row by row
 *   Effect.scoped,
 *   Effect.provide(live())
 * )
 * Effect.runPromise(program)
 * ```
 */
export const embed =
  ({ images, texts }: EmbedInput) =>
  <P extends Params>(trained: Trained<DualEncoder<P>>): Effect.Effect<EmbedResult, UnitError, Backend> =>
    Effect.gen(function* () {
      const backend = yield* Backend
      const encoders = makeEncoders(trained.model, trained.params, backend)
      return {
        imageEmbed: images === undefined ? undefined : yield* encoders.encodeImages(images),
        textEmbed: texts === undefined ? undefined : yield* encoders.encodeTexts(texts),
        scale: yield* backend.sync(() =>
          Math.exp(trained.model.logitScale(trained.params).tensor.dataSync()[0] ?? Number.NaN)
        )
      }
    })
