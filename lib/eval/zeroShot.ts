import { Effect } from "effect"
import type { LabelledDataset } from "../api/dataset.ts"
import type { EmbeddingMatrix, Encoders, Evaluation, Evaluator } from "../api/evaluation.ts"
import type { ImageLabel } from "../api/sample.ts"
import { classEmbeddings } from "./classEmbeddings.ts"
import { EvaluationError } from "./errors.ts"
import { checkEmbeddings, chunksOf, type Claim, forEachBatch, noSamples } from "./evaluator.ts"
import { concatRows, normalizeRows, scoreMatrix } from "./matrix.ts"
import { fillTemplate } from "./templates.ts"
import { zeroShotChance, zeroShotCounter, type ZeroShotFractions } from "./zeroShotMetrics.ts"

/** What can be asked for; everything has a default. */
export interface ZeroShotOptions {
  /** Sentences with `{}` for the class name. Default: those of the data set. */
  readonly templates?: ReadonlyArray<string>
  /** All names of each class (synonyms), in the order of the data set's classes. Default: its one name each. */
  readonly names?: ReadonlyArray<ReadonlyArray<string>>
  /**
   * Indices of the only classes to choose from, as ImageNet-A and -R need; they are renumbered in this order, and
   * pictures of other classes are left out. Default: all classes.
   */
  readonly restrictTo?: ReadonlyArray<number>
  /** Pictures or texts in one call of an encoder. Default 256. */
  readonly batchSize?: number
}

/** A zero-shot result; `confusion` [K, K] counts pictures, rows being targets, in the order of `classNames`. */
export interface ZeroShotResult extends Evaluation {
  readonly metrics: ZeroShotFractions
  readonly chance: ZeroShotFractions
  readonly classNames: ReadonlyArray<string>
  /** The sentences that were used: results of different sets cannot be compared. */
  readonly templates: ReadonlyArray<string>
  readonly confusion: Uint32Array
  /** Pictures of classes outside `restrictTo`. */
  readonly numLeftOut: number
}

const protocol = "zero-shot"

/**
 * Zero-shot classification: a class is the normalised mean of its normalised text embeddings, a picture belongs to the
 * class with the largest cosine. Fails with EvaluationError for a data set without samples, a label or class that does
 * not exist, templates without `{}`, and embeddings that are not finite. Source: REFERENCE 6.1.
 */
export const makeZeroShot = (
  options: ZeroShotOptions = {}
): Evaluator<ImageLabel, ZeroShotResult, EvaluationError> => ({
  name: protocol,
  run: <E, DE, R>(encoders: Encoders<E>, dataset: LabelledDataset<ImageLabel, DE, R>) =>
    Effect.gen(function* () {
      const claim: Claim = { protocol, dataset: dataset.name }
      const batchSize = options.batchSize ?? 256
      const task = yield* taskOf(claim, options, dataset)
      const classes = yield* encodeClasses(claim, encoders, task.texts, batchSize)
      const numClasses = task.classNames.length
      const counter = zeroShotCounter(numClasses)
      let numLeftOut = 0
      yield* forEachBatch(dataset, batchSize, (samples) =>
        Effect.gen(function* () {
          yield* checkLabels(claim, samples, dataset.classNames.length)
          const batch = samples.filter(({ label }) => task.placeOf.has(label))
          numLeftOut += samples.length - batch.length
          if (batch.length === 0) return
          const images = yield* encoders.encodeImages(batch.map(({ image }) => image))
          yield* checkEmbeddings(claim, "the image embedding", batch.map(({ key }) => key), encoders.embedDim)(images)
          counter.add(
            scoreMatrix(normalizeRows(images), classes),
            batch.map(({ label }) => task.placeOf.get(label) ?? -1)
          )
        }))
      if (counter.numPictures() === 0) {
        const hint = numLeftOut > 0 ? `all ${numLeftOut} lie outside restrictTo` : "check its path or pattern"
        return yield* noSamples(claim, hint)
      }
      const { metrics, confusion } = counter.result()
      return {
        ...claim,
        n: counter.numPictures(),
        metrics,
        chance: zeroShotChance(numClasses),
        classNames: task.classNames,
        templates: task.templates,
        confusion,
        numLeftOut
      }
    })
})

/** Zero-shot classification with the data set's own templates and all its classes. */
export const zeroShot: Evaluator<ImageLabel, ZeroShotResult, EvaluationError> = makeZeroShot()

interface Task {
  readonly classNames: ReadonlyArray<string>
  readonly templates: ReadonlyArray<string>
  /** The sentences of each class: templates times names. */
  readonly texts: ReadonlyArray<ReadonlyArray<string>>
  /** The place of a label among the classes to choose from. */
  readonly placeOf: ReadonlyMap<number, number>
}

const taskOf = (
  claim: Claim,
  options: ZeroShotOptions,
  dataset: { readonly classNames: ReadonlyArray<string>; readonly templates: ReadonlyArray<string> }
): Effect.Effect<Task, EvaluationError> => {
  const fail = (reason: "classes" | "templates", message: string): Effect.Effect<never, EvaluationError> =>
    Effect.fail(new EvaluationError({ reason, ...claim, message: `${protocol} on ${claim.dataset}: ${message}` }))
  const templates = options.templates ?? dataset.templates
  const without = templates.find((template) => !template.includes("{}"))
  if (templates.length === 0) return fail("templates", "expected at least one template, got none; pass `templates`")
  if (without !== undefined) {
    return fail("templates", `expected {} for the class name in each template, got ${JSON.stringify(without)}`)
  }
  const all = dataset.classNames
  const names = options.names ?? all.map((name) => [name])
  if (names.length !== all.length || names.some((synonyms) => synonyms.length === 0)) {
    return fail("classes", `expected names for each of ${all.length} classes, got ${names.length} lists, none empty`)
  }
  const labels = options.restrictTo ?? all.map((_, index) => index)
  const wrong = labels.find((label, i) => all[label] === undefined || labels.indexOf(label) !== i)
  if (labels.length === 0) return fail("classes", "expected at least one class, got none")
  if (wrong !== undefined) {
    return fail("classes", `expected different classes of 0..${all.length - 1} in restrictTo, got ${wrong}`)
  }
  return Effect.succeed({
    classNames: labels.map((label) => all[label] ?? ""),
    templates,
    texts: labels.map((label) =>
      (names[label] ?? []).flatMap((name) => templates.map((template) => fillTemplate(template, name)))
    ),
    placeOf: new Map(labels.map((label, place) => [label, place]))
  })
}

/** Class by class, so that the sentences of a thousand classes are never embedded at once. */
const encodeClasses = <E>(
  claim: Claim,
  encoders: Encoders<E>,
  texts: ReadonlyArray<ReadonlyArray<string>>,
  batchSize: number
): Effect.Effect<EmbeddingMatrix, E | EvaluationError> => {
  const longest = texts.reduce((most, { length }) => Math.max(most, length), 1)
  const groups = chunksOf(texts, Math.max(1, Math.floor(batchSize / longest)))
  const encodeGroup = (group: ReadonlyArray<ReadonlyArray<string>>) =>
    Effect.gen(function* () {
      const sentences = group.flat()
      const parts = yield* Effect.forEach(chunksOf(sentences, batchSize), (part) =>
        encoders.encodeTexts(part).pipe(
          Effect.flatMap(checkEmbeddings(claim, "the text embedding", part, encoders.embedDim))
        ))
      const whole = concatRows(parts, encoders.embedDim)
      let at = 0
      return classEmbeddings(group.map(({ length }) => {
        const data = whole.data.subarray(at * whole.columns, (at + length) * whole.columns)
        at += length
        return { rows: length, columns: whole.columns, data }
      }))
    })
  return Effect.forEach(groups, encodeGroup).pipe(Effect.map((parts) => concatRows(parts, encoders.embedDim)))
}

const checkLabels = (
  claim: Claim,
  samples: ReadonlyArray<ImageLabel>,
  numClasses: number
): Effect.Effect<void, EvaluationError> => {
  const wrong = samples.find(({ label }) => !Number.isInteger(label) || label < 0 || label >= numClasses)
  if (wrong === undefined) return Effect.void
  const message = `${protocol} on ${claim.dataset}: expected a label of 0..${numClasses - 1}, got ${wrong.label} for ${
    JSON.stringify(wrong.key)
  }; check the class names against the labels`
  return Effect.fail(new EvaluationError({ reason: "label", ...claim, key: wrong.key, message }))
}
