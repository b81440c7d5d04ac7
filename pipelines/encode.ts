import * as tf from "@tensorflow/tfjs-core"
import type { ImageText, ImageTextBatch, RgbImage, TextInput, Transform } from "../lib/api/index.ts"
import type { ImageTransform } from "../lib/image/index.ts"
import { applyTransform } from "../lib/image/index.ts"
import type { Key } from "../lib/tensor/index.ts"
import { fold, integerBelow, ShapeError, uniformSequence } from "../lib/tensor/index.ts"
import type { Tokenizer } from "../lib/text/index.ts"
import { clipTokenizer, compactTokenizer } from "../lib/text/index.ts"
import type { TrainConfig } from "./config.ts"

/** A batch as typed arrays, before it becomes tensors: images [B, 3, S, S], tokens [B, L], L the context length or less. */
export interface EncodedBatch {
  readonly size: number
  readonly images: Float32Array
  readonly tokens: Int32Array
}

/**
 * The tokenizer that a model's text input asks for. Throws ShapeError for a model that has fewer rows than the tokenizer
 * has ids and no table that says which.
 */
export const tokenizerOf = ({ contextLength, vocabSize, truncate, tokenTable }: TextInput): Tokenizer => {
  const base = clipTokenizer({ contextLength, truncate })
  if (tokenTable === undefined && vocabSize < base.vocabSize) {
    const found = `a vocabSize of ${vocabSize} and no tokenTable`
    throw new ShapeError("tokenizerOf", `a vocabSize of at least ${base.vocabSize} or a tokenTable`, found)
  }
  return tokenTable === undefined ? base : compactTokenizer(base, tokenTable)
}

/** The random crop of training, for a model's image input. */
export const trainingTransform = <In>(
  { image }: Transform<In>,
  { scale, ratio }: TrainConfig["augmentation"]
): ImageTransform => ({ kind: "randomResizedCrop", ...image, scale, ratio, filter: "bilinear" })

/** Shorter side, then the middle: what every evaluation uses (REFERENCE 4.4). */
export const evaluationTransform = <In>({ image }: Transform<In>): ImageTransform => ({
  kind: "shorterSideCenterCrop",
  ...image,
  filter: "bilinear"
})

/** Pictures to [n, 3, S, S]; `key` gives the noise of each picture, from its own key. */
export const encodePictures = (
  transform: ImageTransform,
  images: ReadonlyArray<RgbImage>,
  noise: (index: number) => () => number
): Float32Array => {
  const length = 3 * transform.size * transform.size
  const out = new Float32Array(images.length * length)
  images.forEach((image, i) => applyTransform(transform, image, noise(i), out, i * length))
  return out
}

/** For transforms that draw nothing. */
export const noNoise = (): () => number => () => 0

/**
 * A training batch: each picture cropped by noise of (seed, epoch, its key), one of its captions drawn likewise.
 * `key` is the run's root key.
 */
export const encodeTraining = (
  transform: ImageTransform,
  tokenizer: Tokenizer,
  key: Key,
  epoch: number,
  samples: ReadonlyArray<ImageText>
): EncodedBatch => ({
  size: samples.length,
  images: encodePictures(
    transform,
    samples.map((sample) => sample.image),
    (i) => uniformSequence(fold(key, "augment", epoch, samples[i]?.key ?? ""))
  ),
  tokens: tokenizer.tokenize(samples.map(({ key: name, captions }) => {
    const next = uniformSequence(fold(key, "caption", epoch, name))
    return captions[integerBelow(next, captions.length)] ?? ""
  }))
})

/** Lengths of cut captions are multiples of it, so that shapes, and on a GPU shaders and buffers, repeat. */
const CUT_MULTIPLE = 8

/**
 * The batch without the columns of tokens that change nothing: a caption is pooled at its first largest id, the end of
 * the text, and no token sees what comes after it. What is kept ends with the last of these ends, rounded up to a multiple
 * of eight. Outputs and gradients are the same but for the rounding of sums over fewer zeros.
 */
export const cutText = (batch: EncodedBatch): EncodedBatch => {
  const { size, tokens } = batch
  if (size === 0) return batch
  const length = tokens.length / size
  const rows = Array.from({ length: size }, (_, i) => tokens.subarray(i * length, (i + 1) * length))
  const longest = Math.max(...rows.map((row) => 1 + row.indexOf(row.reduce((a, b) => Math.max(a, b)))))
  const kept = Math.min(length, CUT_MULTIPLE * Math.ceil(longest / CUT_MULTIPLE))
  if (kept === length) return batch
  const cut = new Int32Array(size * kept)
  rows.forEach((row, i) => cut.set(row.subarray(0, kept), i * kept))
  return { ...batch, tokens: cut }
}

/** A batch on the engine in use; the caller owns both tensors. */
export const batchTensors = <In>({ image, text }: Transform<In>, batch: EncodedBatch): ImageTextBatch => ({
  images: tf.keep(tf.tensor4d(batch.images, [batch.size, 3, image.size, image.size])),
  tokens: tf.keep(
    tf.tensor2d(
      batch.tokens,
      [batch.size, batch.size === 0 ? text.contextLength : batch.tokens.length / batch.size],
      "int32"
    )
  )
})

/** Frees a batch. */
export const disposeBatch = ({ images, tokens }: ImageTextBatch): void => {
  images.dispose()
  tokens.dispose()
}
