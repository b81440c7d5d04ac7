import { ShapeError } from "../tensor/shape.ts"
import { randomResizedCropBox } from "./randomResizedCrop.ts"
import { centerCrop, resize, resizeShorterSide } from "./resize.ts"
import type { ResizeFilter } from "./resizeWeights.ts"
import type { RgbImage } from "./rgb.ts"
import { checkPixels } from "./rgb.ts"

/** One number for each of red, green and blue. */
export type PerChannel = readonly [number, number, number]

/** Mean and spread that are taken out of samples in [0, 1]. */
export interface Normalization {
  readonly mean: PerChannel
  readonly std: PerChannel
}

/** ImageNet's, not CLIP's: what the paper's code uses for training and evaluation (REFERENCE 4.4). */
export const imagenetNormalization: Normalization = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }

/** A random box, resized to `size` x `size`. `scale` bounds its share of the area, `ratio` its width over height. */
export interface RandomResizedCropTransform extends Normalization {
  readonly kind: "randomResizedCrop"
  readonly size: number
  readonly scale: readonly [number, number]
  readonly ratio: readonly [number, number]
  readonly filter: ResizeFilter
}

/** Shorter side to `resize` (default `size`; never below it), then the middle `size` x `size`. */
export interface ShorterSideCenterCropTransform extends Normalization {
  readonly kind: "shorterSideCenterCrop"
  readonly size: number
  readonly resize?: number
  readonly filter: ResizeFilter
}

/** Straight to `size` x `size`; proportions are lost. What the official demonstration script does. */
export interface SquashTransform extends Normalization {
  readonly kind: "squash"
  readonly size: number
  readonly filter: ResizeFilter
}

/** What becomes of a picture before a model sees it, as plain data that a configuration or a checkpoint can hold. */
export type ImageTransform = RandomResizedCropTransform | ShorterSideCenterCropTransform | SquashTransform

/** The paper's training transform: crop of half to all of the area, 3:4 to 4:3, bilinear; no flip, no colour jitter. */
export const trainTransform = (size: number): RandomResizedCropTransform => ({
  kind: "randomResizedCrop",
  size,
  scale: [0.5, 1],
  ratio: [3 / 4, 4 / 3],
  filter: "bilinear",
  ...imagenetNormalization
})

/** The paper's evaluation transform: shorter side to `size`, bilinear, centre crop. */
export const evalTransform = (size: number): ShorterSideCenterCropTransform => ({
  kind: "shorterSideCenterCrop",
  size,
  filter: "bilinear",
  ...imagenetNormalization
})

/** The official demonstration's transform: squashed to a square, bicubic. */
export const demoTransform = (size: number): SquashTransform => ({
  kind: "squash",
  size,
  filter: "bicubic",
  ...imagenetNormalization
})

const tables = new WeakMap<Normalization, Float32Array>()

/** (v / 255 - mean) / std for the 256 values of the 3 channels, each step rounded to float32 as torchvision's. */
const normalizationTable = (normalization: Normalization): Float32Array => {
  const known = tables.get(normalization)
  if (known !== undefined) return known
  const table = new Float32Array(3 * 256)
  normalization.mean.forEach((mean, channel) => {
    const std = Math.fround(normalization.std[channel] ?? 1)
    for (let v = 0; v < 256; v++) {
      table[channel * 256 + v] = Math.fround(Math.fround(v / 255) - Math.fround(mean)) / std
    }
  })
  tables.set(normalization, table)
  return table
}

/**
 * Write (v / 255 - mean) / std of a picture into `out` from `offset` on, channel by channel: [h, w, 3] -> [3, h, w].
 * Each step is rounded to float32, as torchvision does. Throws ShapeError when `out` has no room.
 */
export const normalizeInto = (
  image: RgbImage,
  normalization: Normalization,
  out: Float32Array,
  offset: number
): void => {
  checkPixels("normalizeInto", image)
  const plane = image.width * image.height
  if (offset < 0 || offset + 3 * plane > out.length) {
    throw new ShapeError("normalizeInto", `room for ${3 * plane} numbers from ${offset} on`, `${out.length} numbers`)
  }
  const table = normalizationTable(normalization)
  const { data } = image
  for (let p = 0, i = 0, o = offset; p < plane; p++, i += 3, o++) {
    out[o] = table[data[i] ?? 0] ?? 0
    out[o + plane] = table[256 + (data[i + 1] ?? 0)] ?? 0
    out[o + 2 * plane] = table[512 + (data[i + 2] ?? 0)] ?? 0
  }
}

/** A picture as a new tensor's data: float32 [3, h, w]. */
export const normalize = (image: RgbImage, normalization: Normalization): Float32Array => {
  const out = new Float32Array(3 * image.width * image.height)
  normalizeInto(image, normalization, out, 0)
  return out
}

/**
 * The pixels that a transform keeps, `size` x `size`, before normalisation. `next` gives numbers in [0, 1); only a
 * random transform calls it.
 */
export const transformPixels = (transform: ImageTransform, image: RgbImage, next: () => number): RgbImage => {
  const { size, filter } = transform
  switch (transform.kind) {
    case "randomResizedCrop":
      return resize(image, size, size, filter, randomResizedCropBox(image.width, image.height, transform, next))
    case "shorterSideCenterCrop":
      return centerCrop(resizeShorterSide(image, transform.resize ?? size, filter), size)
    case "squash":
      return resize(image, size, size, filter)
  }
}

/**
 * Apply a transform and write the result, float32 [3, size, size], into `out` from `offset` on: picture b of a batch
 * goes to `b * 3 * size * size`. The result is a function of picture and sequence alone.
 */
export const applyTransform = (
  transform: ImageTransform,
  image: RgbImage,
  next: () => number,
  out: Float32Array,
  offset: number
): void => normalizeInto(transformPixels(transform, image, next), transform, out, offset)
