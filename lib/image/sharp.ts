import { Effect, Layer } from "effect"
import type { Sharp } from "sharp"
import sharp from "sharp"
import { defaultImageLimits, ImageDecoder, inspectImage, makeDecoder, undecodable } from "./decode.ts"
import type { ImageLimits } from "./decode.ts"
import { ImageError } from "./errors.ts"
import { decodeGifWithAlpha } from "./gif.ts"
import type { ImageHeader } from "./header.ts"
import { withoutCutSegment } from "./jpegHeader.ts"
import type { RgbImage } from "./rgb.ts"
import { onWhite } from "./rgb.ts"

/** Pixels of 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA) bytes; 3 where `channels` is absent. */
export interface Pixels extends RgbImage {
  readonly channels?: 1 | 2 | 3 | 4
}

interface Raw {
  readonly width: number
  readonly height: number
  readonly channels: number
  readonly data: Uint8Array
}

const open = (bytes: Uint8Array, { maxPixels }: ImageLimits): Sharp => {
  const limitInputPixels = Math.min(Math.floor(maxPixels), Number.MAX_SAFE_INTEGER) // sharp takes whole numbers only
  return sharp(bytes, { ignoreIcc: true, failOn: "none", pages: 1, limitInputPixels })
}

const rawOf = async (image: Sharp): Promise<Raw> => {
  const { data, info } = await image.toBuffer({ resolveWithObject: true })
  const { width, height, channels } = info
  return { width, height, channels, data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) }
}

/**
 * R = round(c k / 255) with c, m, y, k as stored, 255 = no ink. libvips has turned the samples round, with and without
 * an Adobe marker; Pillow takes all files so, too.
 */
const fromCmyk = ({ width, height, data }: Raw): RgbImage => {
  const rgb = new Uint8Array(width * height * 3)
  for (let i = 0, o = 0; o < rgb.length; i += 4, o += 3) {
    const k = 255 - (data[i + 3] ?? 0)
    for (let c = 0; c < 3; c++) rgb[o + c] = Math.floor(((255 - (data[i + c] ?? 0)) * k + 127) / 255)
  }
  return { width, height, data: rgb }
}

/** 16-bit grey is clipped, 16-bit colour (and grey with alpha) keeps its high byte. */
const fromSixteenBits = ({ width, height, channels, data }: Raw, isClipped: boolean): RgbImage => {
  const samples = new Uint16Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength))
  const rgb = new Uint8Array(width * height * 3)
  for (let i = 0, o = 0; o < rgb.length; i += channels, o += 3) {
    for (let c = 0; c < 3; c++) {
      const v = samples[channels < 3 ? i : i + c] ?? 0
      rgb[o + c] = isClipped ? Math.min(v, 255) : v >> 8
    }
  }
  return { width, height, data: rgb }
}

const decodeRaw = async (bytes: Uint8Array, header: ImageHeader, limits: ImageLimits): Promise<RgbImage> => {
  const image = open(bytes, limits)
  if (header.colour === "cmyk") {
    return fromCmyk(await rawOf(image.pipelineColourspace("cmyk").toColourspace("cmyk").raw()))
  }
  if (header.bitDepth === 16) {
    const isGrey = header.colour === "grey" || header.colour === "greyAlpha"
    const raw = await rawOf(image.toColourspace(isGrey ? "grey16" : "rgb16").raw({ depth: "ushort" }))
    return fromSixteenBits(raw, header.colour === "grey")
  }
  const { width, height, data } = await rawOf(image.toColourspace("srgb").removeAlpha().raw())
  return { width, height, data }
}

const withAlpha = async (bytes: Uint8Array, limits: ImageLimits): Promise<RgbImage> => {
  const { width, height, data } = await rawOf(open(bytes, limits).toColourspace("srgb").ensureAlpha().raw())
  return { width, height, data }
}

const messageOf = (cause: unknown): string => cause instanceof Error ? cause.message : String(cause)

/** One try, and for a JPEG that ends within a segment between scans a second one without it. */
const attempt = <A>(
  bytes: Uint8Array,
  header: ImageHeader,
  read: (bytes: Uint8Array) => Promise<A>
): Effect.Effect<A, ImageError> => {
  const once = (input: Uint8Array) =>
    Effect.tryPromise({ try: () => read(input), catch: (cause) => undecodable(bytes, header, messageOf(cause)) })
  return Effect.catchTag(once(bytes), "ImageError", (error) => {
    const shorter = header.format === "jpeg" ? withoutCutSegment(bytes) : undefined
    return shorter === undefined ? Effect.fail(error) : once(shorter)
  })
}

// Pictures are decoded side by side, one thread each; libvips' own threads and cache would only add to that.
const quiet: Effect.Effect<void> = Effect.sync(() => {
  sharp.concurrency(1)
  sharp.cache(false)
})

/**
 * `ImageDecoder` on libvips through sharp, on its thread pool, so that the JavaScript thread stays free (GIFs excepted).
 * Node, Bun and Deno. Where a JPEG is cut, the missing part is what libjpeg makes of it (grey, or the last values),
 * where Pillow leaves black. Sets sharp's process-wide `concurrency(1)` and `cache(false)`.
 */
export const sharpDecoder: Layer.Layer<ImageDecoder> = Layer.effect(
  ImageDecoder,
  Effect.as(
    quiet,
    ImageDecoder.of(
      makeDecoder((bytes, header, limits) => attempt(bytes, header, (input) => decodeRaw(input, header, limits)))
    )
  )
)

const plain = makeDecoder((bytes, header, limits) =>
  attempt(bytes, header, (input) => decodeRaw(input, header, limits))
)

/**
 * Decode a picture and lay what is transparent on white. For preparing data from art with transparency; a data set of
 * foreign pictures goes through `ImageDecoder`, which drops alpha as the published code does. Same errors.
 */
export const decodeOnWhite = (
  bytes: Uint8Array,
  limits: ImageLimits = defaultImageLimits
): Effect.Effect<RgbImage, ImageError> =>
  Effect.flatMap(inspectImage(bytes, limits), (header) => {
    if (header.firstFrame !== undefined) {
      return Effect.succeed(onWhite(decodeGifWithAlpha(bytes, header, header.firstFrame)))
    }
    const isOpaque = header.format === "jpeg" || (header.colour === "grey" && header.bitDepth === 16)
    if (isOpaque) return plain.decode(bytes, limits)
    return Effect.map(attempt(bytes, header, (input) => withAlpha(input, limits)), onWhite)
  })

/** `size`: side of the square to render into, 1 to 4096 pixels. `maxBytes`: cap on the text, default 1 MiB. */
export interface SvgOptions {
  readonly size: number
  readonly maxBytes?: number
}

const MAX_SVG_SIDE = 4096

const renderAt = async (bytes: Uint8Array, size: number): Promise<RgbImage> => {
  const limitInputPixels = MAX_SVG_SIDE * MAX_SVG_SIDE
  const own = await sharp(bytes, { limitInputPixels }).metadata()
  if (own.format !== "svg") throw new Error("the text is not an SVG")
  const density = Math.min(Math.max(72 * size / Math.max(own.width, own.height), 1), 100_000)
  const box = { fit: "contain", background: "white" } as const
  const image = sharp(bytes, { density, limitInputPixels }).resize(size, size, box).flatten({ background: "white" })
  const { width, height, data } = await rawOf(image.toColourspace("srgb").removeAlpha().raw())
  return { width, height, data }
}

/**
 * Render an SVG on white into a square of `size` pixels, proportions kept. For preparing art that is trusted and named
 * (examples), never for files of a data set: `ImageDecoder` refuses SVG. Fails with ImageError for a text above
 * `maxBytes`, a size out of range, or a drawing that cannot be rendered.
 */
export const renderSvg = (
  bytes: Uint8Array,
  { size, maxBytes = 1_048_576 }: SvgOptions
): Effect.Effect<RgbImage, ImageError> => {
  const numBytes = bytes.length
  const fail = (reason: ImageError["reason"], limit: number, message: string) =>
    new ImageError({ reason, numBytes, limit, message })
  if (numBytes > maxBytes) {
    return Effect.fail(fail("tooManyBytes", maxBytes, `expected an SVG of at most ${maxBytes} bytes, got ${numBytes}`))
  }
  if (!Number.isInteger(size) || size < 1 || size > MAX_SVG_SIDE) {
    const message = `expected a size of 1 to ${MAX_SVG_SIDE} pixels, got ${size}: choose a smaller one`
    return Effect.fail(fail("tooManyPixels", MAX_SVG_SIDE, message))
  }
  const catchCause = (cause: unknown) =>
    fail("corrupt", maxBytes, `expected an SVG that can be rendered, got ${messageOf(cause)}: leave it out`)
  return Effect.tryPromise({ try: () => renderAt(bytes, size), catch: catchCause })
}

/** Pixels as a PNG file. `data` is [height, width, channels]; fails with ImageError when its length says otherwise. */
export const encodePng = (pixels: Pixels): Effect.Effect<Uint8Array, ImageError> => {
  const { width, height, data, channels = 3 } = pixels
  const catchCause = (cause: unknown) => {
    const message = `expected ${width} x ${height} x ${channels} bytes to encode, got ${data.length}: ${
      messageOf(cause)
    }`
    return new ImageError({ reason: "corrupt", numBytes: data.length, width, height, message })
  }
  const encode = async (): Promise<Uint8Array> => {
    const png = await sharp(data, { raw: { width, height, channels } }).png().toBuffer()
    return new Uint8Array(png.buffer, png.byteOffset, png.byteLength)
  }
  return Effect.tryPromise({ try: encode, catch: catchCause })
}
