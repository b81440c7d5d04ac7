import { Context, Effect } from "effect"
import { ImageError } from "./errors.ts"
import { decodeGif } from "./gif.ts"
import type { ImageHeader } from "./header.ts"
import { readImageHeader } from "./header.ts"
import type { RgbImage } from "./rgb.ts"

/** Caps that a file must meet before anything is decoded: size of the file, and width x height that it claims. */
export interface ImageLimits {
  readonly maxBytes: number
  readonly maxPixels: number
}

/** 64 MiB and 100 million pixels, which is 300 MB once decoded. */
export const defaultImageLimits: ImageLimits = { maxBytes: 67_108_864, maxPixels: 100_000_000 }

/** What the `ImageDecoder` service does. */
export interface ImageDecoderShape {
  /**
   * Decode a PNG, JPEG, WebP or GIF to RGB as Pillow's `Image.open(f).convert("RGB")` does: ICC profile and EXIF
   * orientation ignored, alpha dropped with the colours under it kept, palettes looked up, 16-bit grey clipped and
   * 16-bit colour shifted to 8 bits, CMYK without profile, the first frame of several. Truncated PNG, JPEG and GIF files
   * keep what they have. Fails with ImageError: caps (checked before decoding), other formats, nothing to decode.
   * `bytes` must not change until it is done. Source: REFERENCE 4.4, GOLDENS 10.
   */
  readonly decode: (bytes: Uint8Array, limits?: ImageLimits) => Effect.Effect<RgbImage, ImageError>
}

const ImageDecoderBase: Context.ServiceClass<ImageDecoder, "diffclip/ImageDecoder", ImageDecoderShape> = Context
  .Service<
    ImageDecoder,
    ImageDecoderShape
  >()("diffclip/ImageDecoder")

/** The service that turns files into pixels. `sharpDecoder` of `diffclip/node` is the layer for Node, Bun and Deno. */
export class ImageDecoder extends ImageDecoderBase {}

const tooManyBytes = (numBytes: number, limit: number): ImageError =>
  new ImageError({
    reason: "tooManyBytes",
    numBytes,
    limit,
    message: `expected an image file of at most ${limit} bytes, got ${numBytes}: ` +
      "raise maxBytes if the source is trusted, else leave the file out"
  })

const tooManyPixels = (numBytes: number, limit: number, { width, height }: ImageHeader): ImageError =>
  new ImageError({
    reason: "tooManyPixels",
    numBytes,
    width,
    height,
    limit,
    message: `expected at most ${limit} pixels, the header claims ${width} x ${height}: ` +
      "raise maxPixels if the source is trusted, else scale the picture down or leave it out"
  })

const unreadable = (
  numBytes: number,
  reason: "unsupported" | "corrupt" | "truncated",
  detail: string,
  size: { readonly width?: number; readonly height?: number } = {}
): ImageError => {
  const toDo = reason === "unsupported" ? "convert the file" : "fetch the file again or leave it out"
  const message = `expected a PNG, JPEG, WebP or GIF, got ${reason} data of ${numBytes} bytes (${detail}): ${toDo}`
  return new ImageError({ reason, numBytes, ...size, message })
}

/** An ImageError for a file whose header was read but whose pixels were not. `detail` is what the decoder said. */
export const undecodable = (bytes: Uint8Array, header: ImageHeader, detail: string): ImageError => {
  const isTruncated = header.isCutOff || !header.hasPixelData || /premature end|truncated/i.test(detail)
  const { width, height } = header
  return unreadable(bytes.length, isTruncated ? "truncated" : "corrupt", detail.split("\n")[0] ?? "", { width, height })
}

/** Check the caps and read the header, allocating nothing in proportion to what the file claims. */
export const inspectImage = (
  bytes: Uint8Array,
  limits: ImageLimits = defaultImageLimits
): Effect.Effect<ImageHeader, ImageError> =>
  Effect.suspend(() => {
    if (bytes.length > limits.maxBytes) return Effect.fail(tooManyBytes(bytes.length, limits.maxBytes))
    const header = readImageHeader(bytes)
    if ("problem" in header) return Effect.fail(unreadable(bytes.length, header.problem, header.detail))
    if (header.width * header.height > limits.maxPixels) {
      return Effect.fail(tooManyPixels(bytes.length, limits.maxPixels, header))
    }
    if (!header.hasPixelData) return Effect.fail(undecodable(bytes, header, "the file has a header and no pixel data"))
    return Effect.succeed(header)
  })

/**
 * A decoder from an engine for PNG, JPEG and WebP, which is called only with files that passed the caps; GIFs are read
 * by the library itself. A picture of another size than the header's is refused.
 */
export const makeDecoder = (
  engine: (bytes: Uint8Array, header: ImageHeader, limits: ImageLimits) => Effect.Effect<RgbImage, ImageError>
): ImageDecoderShape => ({
  decode: (bytes, limits = defaultImageLimits) =>
    Effect.flatMap(inspectImage(bytes, limits), (header) => {
      if (header.firstFrame !== undefined) return Effect.succeed(decodeGif(bytes, header, header.firstFrame))
      return Effect.flatMap(engine(bytes, header, limits), (image) => {
        const { width, height, data } = image
        const isAsClaimed = width === header.width && height === header.height && data.length === width * height * 3
        if (isAsClaimed) return Effect.succeed(image)
        const detail = `the header claims ${header.width} x ${header.height}, the pixels are ${width} x ${height}`
        return Effect.fail(undecodable(bytes, header, detail))
      })
    })
})
