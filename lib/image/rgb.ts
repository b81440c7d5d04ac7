import { ShapeError } from "../tensor/shape.ts"

/** A decoded picture: 8-bit RGB, row by row from the top, three bytes a pixel. `data` is [height, width, 3]. */
export interface RgbImage {
  readonly width: number
  readonly height: number
  readonly data: Uint8Array
}

/** The same with alpha, not premultiplied: `data` is [height, width, 4], alpha 255 = opaque. */
export interface RgbaImage {
  readonly width: number
  readonly height: number
  readonly data: Uint8Array
}

/** A rectangle of whole pixels; `left` and `top` count from the top left corner. */
export interface Box {
  readonly left: number
  readonly top: number
  readonly width: number
  readonly height: number
}

/** Throws ShapeError unless the picture has whole, positive sides and `channels` bytes for each pixel. */
export const checkPixels = (operation: string, image: RgbImage, channels = 3): void => {
  const { width, height, data } = image
  const hasSides = Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0
  if (!hasSides || data.length !== width * height * channels) {
    const expected = `a picture with ${channels} bytes for each of its width x height pixels`
    throw new ShapeError(operation, expected, `${width} x ${height} with ${data.length} bytes`)
  }
}

/** Throws ShapeError unless the box has whole numbers, is not empty and lies within the picture. */
export const checkBox = (operation: string, image: RgbImage, box: Box): void => {
  const { left, top, width, height } = box
  const isInside = [left, top, width, height].every(Number.isInteger) && left >= 0 && top >= 0 && width > 0 &&
    height > 0 && left + width <= image.width && top + height <= image.height
  if (!isInside) {
    const expected = `a box of whole pixels within ${image.width} x ${image.height}`
    throw new ShapeError(operation, expected, `${width} x ${height} at left ${left}, top ${top}`)
  }
}

/** Cut a box out of a picture, into memory of its own. Throws ShapeError for a box that does not fit. */
export const crop = (image: RgbImage, box: Box): RgbImage => {
  checkPixels("crop", image)
  checkBox("crop", image, box)
  const { left, top, width, height } = box
  const data = new Uint8Array(width * height * 3)
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * image.width + left) * 3
    data.set(image.data.subarray(from, from + width * 3), y * width * 3)
  }
  return { width, height, data }
}

/** The nearest integer, halves to the even one, as Python's `round`. */
export const roundHalfEven = (x: number): number => {
  const floor = Math.floor(x)
  const rest = x - floor
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1
  return floor % 2 === 0 ? floor : floor + 1
}

/**
 * Lay a picture with alpha on white, channel by channel: round((c a + 255 (255 - a)) / 255). This belongs to preparing
 * data (art with transparency); training on foreign files drops alpha instead, as `ImageDecoder` does.
 */
export const onWhite = (image: RgbaImage): RgbImage => {
  checkPixels("onWhite", image, 4)
  const { width, height } = image
  const data = new Uint8Array(width * height * 3)
  for (let i = 0, o = 0; o < data.length; i += 4, o += 3) {
    const alpha = image.data[i + 3] ?? 0
    const white = 255 * (255 - alpha) + 127
    data[o] = Math.floor(((image.data[i] ?? 0) * alpha + white) / 255)
    data[o + 1] = Math.floor(((image.data[i + 1] ?? 0) * alpha + white) / 255)
    data[o + 2] = Math.floor(((image.data[i + 2] ?? 0) * alpha + white) / 255)
  }
  return { width, height, data }
}
