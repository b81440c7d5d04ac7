import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import { Effect } from "effect"
import type { DualEncoder, EmbeddingMatrix, Encoders } from "../lib/api/index.ts"
import type { BackendShape, UnitError } from "../lib/backend/index.ts"
import type { Params } from "../lib/tensor/index.ts"
import type { Value } from "../lib/tensor/index.ts"
import { mapReading, perform, readingOf, readingOfCopy } from "./reading.ts"
import { encodePictures, evaluationTransform, noNoise, tokenizerOf } from "./encode.ts"

/** Rows that go through a tower at once. */
const PASS = 64

const passes = <A, W extends number>(
  items: ReadonlyArray<A>,
  embedDim: W,
  encode: (part: ReadonlyArray<A>) => Effect.Effect<Float32Array, UnitError>
): Effect.Effect<EmbeddingMatrix<W>, UnitError> =>
  Effect.gen(function* () {
    const data = new Float32Array(items.length * embedDim)
    for (let begin = 0; begin < items.length; begin += PASS) {
      data.set(yield* encode(items.slice(begin, begin + PASS)), begin * embedDim)
      yield* Effect.yieldNow
    }
    return { rows: items.length, columns: embedDim, data }
  })

/** `Encoders` that also take rows of token ids [n, L]. */
export interface TowerEncoders<W extends number = number> extends Encoders<UnitError, W> {
  readonly encodeTokens: (tokens: Int32Array) => Effect.Effect<EmbeddingMatrix<W>, UnitError>
}

/** Both towers of a model with weights as functions from pictures and texts to embeddings [n, E], not normalised. */
export const makeEncoders = <P extends Params, W extends number>(
  model: DualEncoder<P, W>,
  params: P,
  backend: BackendShape
): TowerEncoders<W> => {
  const { image, text } = model.transform
  const pixels = evaluationTransform(model.transform)
  const inTower = (make: () => Tensor, tower: (input: Tensor) => Value): Effect.Effect<Float32Array, UnitError> =>
    perform(backend, () => readingOf(tower(make()).tensor))
  const encodeRows = <A>(rows: ReadonlyArray<A>, idsOf: (part: ReadonlyArray<A>) => Int32Array) =>
    passes(rows, model.embedDim, (part) =>
      inTower(
        () => tf.tensor2d(idsOf(part), [part.length, text.contextLength], "int32"),
        (input) => model.encodeText(params, input)
      ))
  return {
    embedDim: model.embedDim,
    encodeImages: (images) =>
      passes(images, model.embedDim, (part) =>
        inTower(
          () => tf.tensor4d(encodePictures(pixels, part, noNoise), [part.length, 3, image.size, image.size]),
          (input) => model.encodeImage(params, input)
        )),
    // The tokenizer is made when text comes: a model that is fed ids directly may have no rows for it.
    encodeTexts: (texts) =>
      Effect.suspend(() => {
        const tokenizer = tokenizerOf(text)
        return encodeRows(texts, (part) => tokenizer.tokenize(part))
      }),
    encodeTokens: (tokens) => {
      const l = text.contextLength
      const rows = Array.from({ length: tokens.length / l }, (_, row) => tokens.subarray(row * l, (row + 1) * l))
      return encodeRows(rows, (part) => Int32Array.from(part.flatMap((row) => [...row])))
    }
  }
}

/** exp of the logarithm of a model's logit scale. */
export const scaleOf = <P extends Params>(
  model: DualEncoder<P>,
  params: P,
  backend: BackendShape
): Effect.Effect<number, UnitError> =>
  perform(
    backend,
    () => mapReading(readingOfCopy(model.logitScale(params).tensor), ([logScale = Number.NaN]) => Math.exp(logScale))
  )
