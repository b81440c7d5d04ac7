import { Effect } from "effect"
import { dual } from "effect/Function"
import type { DualEncoder, EmbeddingMatrix, RgbImage, Trained } from "../lib/api/index.ts"
import { Backend, type UnitError } from "../lib/backend/index.ts"
import {
  classEmbeddings,
  type ClassScore,
  classScores,
  EvaluationError,
  fillTemplate,
  firstNotFiniteRow
} from "../lib/eval/index.ts"
import type { Params } from "../lib/tensor/index.ts"
import { makeEncoders, scaleOf } from "./encoders.ts"
import { type ConfigInvalid, invalid } from "./errors.ts"

/** Pictures, the classes to choose from, and the sentences that the class names are put into. */
export interface ClassifyInput {
  readonly images: ReadonlyArray<RgbImage>
  /** At least one. */
  readonly classNames: ReadonlyArray<string>
  /** Each holds `{}` for the class name; a class is the mean of its sentences. Default `a photo of a {}.`. */
  readonly templates?: ReadonlyArray<string>
}

/** The template of a caller who names none. */
export const defaultTemplate = "a photo of a {}."

const rowsOf = ({ columns, data }: EmbeddingMatrix, first: number, rows: number): EmbeddingMatrix => ({
  rows,
  columns,
  data: data.subarray(first * columns, (first + rows) * columns)
})

/** How labelling can fail. */
export type ClassifyError = ConfigInvalid | EvaluationError | UnitError

/** For each picture every class, best first. */
export type Labels = ReadonlyArray<ReadonlyArray<ClassScore>>

/** `classify` with the model last, for `pipe`, or first. */
export interface Classify {
  (input: ClassifyInput): <P extends Params, E extends number>(
    trained: Trained<DualEncoder<P, E>>
  ) => Effect.Effect<Labels, ClassifyError, Backend>
  <P extends Params, E extends number>(
    trained: Trained<DualEncoder<P, E>>,
    input: ClassifyInput
  ): Effect.Effect<Labels, ClassifyError, Backend>
}

/** Classes as a model sees them, and the scale of its scores: what stays the same for all pictures. */
export interface Classes {
  readonly classNames: ReadonlyArray<string>
  /** [K, E], a normalised row a class. */
  readonly embeddings: EmbeddingMatrix
  readonly scale: number
}

const checkFinite = (
  what: "picture" | "sentence",
  matrix: EmbeddingMatrix,
  dataset: string
): Effect.Effect<void, EvaluationError> => {
  const row = firstNotFiniteRow(matrix)
  return row === undefined ? Effect.void : Effect.fail(
    new EvaluationError({
      reason: "notFinite",
      protocol: "classify",
      dataset,
      message: `classify: expected finite embeddings, but that of ${what} ${row} is not; check the weights`
    })
  )
}

/** Embeds the sentences of classes, once for any number of pictures. Fails as `classify` does. */
export const classesOf = <P extends Params, E extends number>(
  trained: Trained<DualEncoder<P, E>>,
  { classNames, templates = [defaultTemplate] }: Omit<ClassifyInput, "images">
): Effect.Effect<Classes, ClassifyError, Backend> =>
  Effect.gen(function* () {
    const without = templates.find((template) => !template.includes("{}"))
    if (classNames.length === 0) return yield* invalid("classNames", "expected at least one class, found none")
    const twice = classNames.find((name, i) => classNames.indexOf(name) !== i)
    if (twice !== undefined) {
      return yield* invalid("classNames", `expected different classes, found ${JSON.stringify(twice)} more than once`)
    }
    if (templates.length === 0) return yield* invalid("templates", "expected at least one template, found none")
    if (without !== undefined) {
      return yield* invalid("templates", `expected {} for the class name, found ${JSON.stringify(without)}`)
    }
    const texts = classNames.flatMap((name) => templates.map((template) => fillTemplate(template, name)))
    const { model, params } = trained
    const backend = yield* Backend
    const textEmbed = yield* makeEncoders(model, params, backend).encodeTexts(texts)
    yield* checkFinite("sentence", textEmbed, `${classNames.length} classes`)
    const embeddings = classEmbeddings(
      classNames.map((_, k) => rowsOf(textEmbed, k * templates.length, templates.length))
    )
    return { classNames, embeddings, scale: yield* scaleOf(model, params, backend) }
  })

/** The labels of pictures among classes that were embedded before. Fails with EvaluationError (`notFinite`). */
export const labelsOf = <P extends Params, E extends number>(
  { model, params }: Trained<DualEncoder<P, E>>,
  { classNames, embeddings, scale }: Classes,
  images: ReadonlyArray<RgbImage>
): Effect.Effect<Labels, EvaluationError | UnitError, Backend> =>
  Effect.gen(function* () {
    const imageEmbed = yield* makeEncoders(model, params, yield* Backend).encodeImages(images)
    yield* checkFinite("picture", imageEmbed, `${images.length} pictures`)
    return classScores(imageEmbed, embeddings, classNames, scale)
  })

/**
 * Zero-shot labels for pictures: every class with its probability, best first, a list for each picture. Probabilities
 * are over the classes that were offered. Fails with ConfigInvalid (no class, a template without `{}`) and with
 * EvaluationError (`notFinite`). Source: REFERENCE 6.1.
 *
 * @example
 * ```ts
 * import { diffClip, Pipeline } from "diffclip"
 * import { decodeOnWhite, live } from "diffclip/node"
 * import { Console, Effect } from "effect"
 * import { readFileSync } from "node:fs"
 *
 * const program = Effect.gen(function* () {
 *   const images = [yield* decodeOnWhite(readFileSync("heart.png"))]
 *   const trained = yield* Pipeline.load(diffClip, "runs/first")
 *   const [scores] = yield* Pipeline.classify(trained, { images, classNames: ["heart", "cat", "car"] })
 *   yield* Console.log(scores?.[0]) // { className: "heart", probability: 0.97, cosine: 0.31 }
 * })
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(live())))
 * ```
 */
export const classify: Classify = dual(
  2,
  <P extends Params, E extends number>(
    trained: Trained<DualEncoder<P, E>>,
    { images, classNames, templates }: ClassifyInput
  ): Effect.Effect<Labels, ClassifyError, Backend> =>
    Effect.gen(function* () {
      const classes = yield* classesOf(trained, { classNames, ...(templates === undefined ? {} : { templates }) })
      return yield* labelsOf(trained, classes, images)
    })
)
