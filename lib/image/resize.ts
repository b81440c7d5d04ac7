import { ShapeError } from "../tensor/shape.ts"
import type { ResizeFilter, ResizeWeights } from "./resizeWeights.ts"
import { resizeWeights, WEIGHT_BITS } from "./resizeWeights.ts"
import type { Box, RgbImage } from "./rgb.ts"
import { checkBox, checkPixels, crop, roundHalfEven } from "./rgb.ts"

const HALF = 1 << (WEIGHT_BITS - 1)

/** Rows of `source` from byte `offset` on, `pitch` bytes apart, each resampled to `width` pixels. */
const horizontalPass = (
  source: Uint8Array,
  offset: number,
  pitch: number,
  rows: number,
  width: number,
  { stride, first, taps, weights }: ResizeWeights
): Uint8Array => {
  const out = new Uint8ClampedArray(rows * width * 3) // clamps to 0..255 as it stores
  let o = 0
  for (let y = 0; y < rows; y++) {
    const row = offset + y * pitch
    for (let x = 0; x < width; x++, o += 3) {
      let at = row + (first[x] ?? 0) * 3
      const begin = x * stride
      const end = begin + (taps[x] ?? 0)
      let r = HALF
      let g = HALF
      let b = HALF
      for (let k = begin; k < end; k++, at += 3) {
        const w = weights[k] ?? 0
        r = (r + Math.imul(source[at] ?? 0, w)) | 0
        g = (g + Math.imul(source[at + 1] ?? 0, w)) | 0
        b = (b + Math.imul(source[at + 2] ?? 0, w)) | 0
      }
      out[o] = r >> WEIGHT_BITS
      out[o + 1] = g >> WEIGHT_BITS
      out[o + 2] = b >> WEIGHT_BITS
    }
  }
  return new Uint8Array(out.buffer)
}

/** Columns of `source` (rows of `rowBytes` bytes, `pitch` apart, from byte `offset` on) resampled to `height` rows. */
const verticalPass = (
  source: Uint8Array,
  offset: number,
  pitch: number,
  rowBytes: number,
  height: number,
  { stride, first, taps, weights }: ResizeWeights
): Uint8Array => {
  const out = new Uint8ClampedArray(height * rowBytes)
  for (let y = 0; y < height; y++) {
    const top = offset + (first[y] ?? 0) * pitch
    const begin = y * stride
    const count = taps[y] ?? 0
    const o = y * rowBytes
    if (count === 2) { // the enlarging bilinear case, without the inner loop
      const w0 = weights[begin] ?? 0
      const w1 = weights[begin + 1] ?? 0
      for (let i = 0; i < rowBytes; i++) {
        const at = top + i
        out[o + i] = (HALF + Math.imul(source[at] ?? 0, w0) + Math.imul(source[at + pitch] ?? 0, w1)) >> WEIGHT_BITS
      }
      continue
    }
    for (let i = 0; i < rowBytes; i++) {
      let sum = HALF
      for (let k = 0, at = top + i; k < count; k++, at += pitch) {
        sum = (sum + Math.imul(source[at] ?? 0, weights[begin + k] ?? 0)) | 0
      }
      out[o + i] = sum >> WEIGHT_BITS
    }
  }
  return new Uint8Array(out.buffer)
}

/**
 * Resample a picture, or a box of it, to `width` x `height` with antialias, to the byte as Pillow does: separable,
 * horizontally first, 22-bit fixed-point weights, each pass rounded and clipped to 8 bits, passes that change nothing
 * skipped. `box` is cut out first: pixels outside do not count. Throws ShapeError for sizes or boxes that do not fit.
 * Source: Pillow, Resample.c; REFERENCE 4.4.
 */
export const resize = (
  image: RgbImage,
  width: number,
  height: number,
  filter: ResizeFilter,
  box: Box = { left: 0, top: 0, width: image.width, height: image.height }
): RgbImage => {
  checkPixels("resize", image)
  checkBox("resize", image, box)
  if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1) {
    throw new ShapeError("resize", "a size of whole, positive sides", `${width} x ${height}`)
  }
  if (box.width === width && box.height === height) return crop(image, box)
  const pitch = image.width * 3
  const offset = box.top * pitch + box.left * 3
  if (box.width === width) {
    const weights = resizeWeights(box.height, height, filter)
    return { width, height, data: verticalPass(image.data, offset, pitch, width * 3, height, weights) }
  }
  const columns = resizeWeights(box.width, width, filter)
  const narrowed = horizontalPass(image.data, offset, pitch, box.height, width, columns)
  if (box.height === height) return { width, height, data: narrowed }
  const rows = resizeWeights(box.height, height, filter)
  return { width, height, data: verticalPass(narrowed, 0, width * 3, width * 3, height, rows) }
}

/** The size of a picture whose shorter side is brought to `size`; the longer one is floor(size long / short). */
export const shorterSideSize = (width: number, height: number, size: number): readonly [number, number] =>
  width <= height ?
    [size, Math.max(1, Math.floor((size * height) / width))] :
    [Math.max(1, Math.floor((size * width) / height)), size]

/** Bring the shorter side to `size`, keeping the proportions (torchvision's `Resize`). */
export const resizeShorterSide = (image: RgbImage, size: number, filter: ResizeFilter): RgbImage => {
  const [width, height] = shorterSideSize(image.width, image.height, size)
  return resize(image, width, height, filter)
}

/** The square of side `size` in the middle of a picture; offsets are round((n - size) / 2), halves to even. */
export const centerBox = (width: number, height: number, size: number): Box => ({
  left: roundHalfEven((width - size) / 2),
  top: roundHalfEven((height - size) / 2),
  width: size,
  height: size
})

/** Cut that square out. Throws ShapeError when the picture is smaller (torchvision would pad with black). */
export const centerCrop = (image: RgbImage, size: number): RgbImage =>
  crop(image, centerBox(image.width, image.height, size))
