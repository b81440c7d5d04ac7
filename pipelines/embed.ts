import { Effect } from "effect"
import { dual } from "effect/Function"
import type { DualEncoder, EmbeddingMatrix, RgbImage, Trained } from "../lib/api/index.ts"
import type { UnitError } from "../lib/backend/index.ts"
import { Backend } from "../lib/backend/index.ts"
import type { Params } from "../lib/tensor/index.ts"
import { makeEncoders, scaleOf } from "./encoders.ts"

/** What is to be embedded. */
export interface EmbedInput {
  readonly images?: ReadonlyArray<RgbImage>
  readonly texts?: ReadonlyArray<string>
}

/** Embeddings [n, E] of what was given, not normalised, and exp of the logarithm of the logit scale. */
export interface EmbedResult<E extends number = number> {
  readonly imageEmbed: EmbeddingMatrix<E> | undefined
  readonly textEmbed: EmbeddingMatrix<E> | undefined
  readonly scale: number
}

/** `embed` with the model last, for `pipe`, or first. */
export interface Embed {
  (input: EmbedInput): <P extends Params, E extends number>(
    trained: Trained<DualEncoder<P, E>>
  ) => Effect.Effect<EmbedResult<E>, UnitError, Backend>
  <P extends Params, E extends number>(
    trained: Trained<DualEncoder<P, E>>,
    input: EmbedInput
  ): Effect.Effect<EmbedResult<E>, UnitError, Backend>
}

/**
 * Embeds pictures and texts with a trained model: `Pipeline.embed(trained, { texts: ["a red heart"] })`, or with the
 * model last: `Effect.flatMap(Pipeline.embed({ texts: ["a red heart"] }))`.
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
 * await Effect.runPromise(program)
 * ```
 */
export const embed: Embed = dual(
  2,
  <P extends Params, E extends number>(
    { model, params }: Trained<DualEncoder<P, E>>,
    { images, texts }: EmbedInput
  ): Effect.Effect<EmbedResult<E>, UnitError, Backend> =>
    Effect.gen(function* () {
      const backend = yield* Backend
      const encoders = makeEncoders(model, params, backend)
      return {
        imageEmbed: images === undefined ? undefined : yield* encoders.encodeImages(images),
        textEmbed: texts === undefined ? undefined : yield* encoders.encodeTexts(texts),
        scale: yield* scaleOf(model, params, backend)
      }
    })
)
