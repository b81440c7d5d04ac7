import { gifHeader } from "./gifHeader.ts"
import type { GifFrame } from "./gifHeader.ts"
import { jpegHeader } from "./jpegHeader.ts"

/** The formats that are read. SVG and all else is refused by its first bytes. */
export type ImageFormat = "png" | "jpeg" | "webp" | "gif"

/** What the samples mean; `bitDepth` bits each. */
export type ColourModel = "grey" | "greyAlpha" | "rgb" | "rgba" | "palette" | "cmyk"

/** What a file says of itself, read without decoding or allocating pixels. Nothing in it is to be trusted. */
export interface ImageHeader {
  readonly format: ImageFormat
  readonly width: number
  readonly height: number
  readonly colour: ColourModel
  readonly bitDepth: number
  /** Whether at least one byte of compressed pixels is there. */
  readonly hasPixelData: boolean
  /** Whether the container says that more bytes belong to it (known for WebP only). */
  readonly isCutOff: boolean
  /** GIF: where the first frame lies. */
  readonly firstFrame?: GifFrame
}

/** Why no header could be read. `truncated`: the file ends within it. */
export interface HeaderProblem {
  readonly problem: "unsupported" | "corrupt" | "truncated"
  readonly detail: string
}

/** ASCII text at an offset; shorter at the end of the file. */
const textAt = (bytes: Uint8Array, at: number, length: number): string =>
  String.fromCharCode(...bytes.subarray(at, at + length))

const cutOff = (format: string): HeaderProblem => ({ problem: "truncated", detail: `the ${format} header is cut off` })

const pngColours: Readonly<Record<number, { readonly colour: ColourModel; readonly depths: ReadonlyArray<number> }>> = {
  0: { colour: "grey", depths: [1, 2, 4, 8, 16] },
  2: { colour: "rgb", depths: [8, 16] },
  3: { colour: "palette", depths: [1, 2, 4, 8] },
  4: { colour: "greyAlpha", depths: [8, 16] },
  6: { colour: "rgba", depths: [8, 16] }
}

/** Source: PNG specification (third edition), chapters 5 and 11. */
const pngHeader = (bytes: Uint8Array, view: DataView): ImageHeader | HeaderProblem => {
  if (bytes.length < 26) return cutOff("PNG")
  if (textAt(bytes, 12, 4) !== "IHDR" || view.getUint32(8) !== 13) {
    return { problem: "corrupt", detail: "the first PNG chunk is not IHDR" }
  }
  const bitDepth = view.getUint8(24)
  const kind = pngColours[view.getUint8(25)]
  if (kind === undefined || !kind.depths.includes(bitDepth)) {
    return { problem: "corrupt", detail: `PNG colour type ${bytes[25]} with ${bitDepth} bits does not exist` }
  }
  let hasPixelData = false
  for (let at = 33; at + 8 < bytes.length; at += 12 + view.getUint32(at)) {
    if (view.getUint32(at + 4) !== 0x49444154 || view.getUint32(at) === 0) continue
    hasPixelData = true
    break
  }
  return {
    format: "png",
    width: view.getUint32(16),
    height: view.getUint32(20),
    colour: kind.colour,
    bitDepth,
    hasPixelData,
    isCutOff: false
  }
}

/** Source: WebP container specification; RFC 6386 section 9.1 (VP8); WebP lossless specification (VP8L). */
const webpHeader = (bytes: Uint8Array, view: DataView): ImageHeader | HeaderProblem => {
  const chunk = textAt(bytes, 12, 4)
  if (bytes.length < (chunk === "VP8L" ? 25 : 30)) return cutOff("WebP")
  const found = (width: number, height: number, hasAlpha: boolean, hasPixelData: boolean): ImageHeader => ({
    format: "webp",
    width,
    height,
    colour: hasAlpha ? "rgba" : "rgb",
    bitDepth: 8,
    hasPixelData,
    isCutOff: view.getUint32(4, true) + 8 > bytes.length
  })
  if (chunk === "VP8 ") {
    if (textAt(bytes, 23, 3) !== "\x9d\x01\x2a") return { problem: "corrupt", detail: "no VP8 start code" }
    return found(view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff, false, bytes.length > 30)
  }
  if (chunk === "VP8L") {
    if (bytes[20] !== 0x2f) return { problem: "corrupt", detail: "no VP8L signature" }
    const bits = view.getUint32(21, true)
    return found((bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1, ((bits >>> 28) & 1) === 1, bytes.length > 25)
  }
  if (chunk === "VP8X") {
    const width = (view.getUint32(24, true) & 0xffffff) + 1
    const height = (view.getUint32(26, true) >>> 8) + 1
    return found(width, height, ((bytes[20] ?? 0) & 0x10) !== 0, bytes.length > 38)
  }
  return { problem: "corrupt", detail: "the first WebP chunk is none of VP8, VP8L, VP8X" }
}

const isPng = (bytes: Uint8Array): boolean => textAt(bytes, 0, 8) === "\x89PNG\r\n\x1a\n"
const isWebp = (bytes: Uint8Array): boolean => textAt(bytes, 0, 4) === "RIFF" && textAt(bytes, 8, 4) === "WEBP"
const isGif = (bytes: Uint8Array): boolean => /^GIF8[79]a$/.test(textAt(bytes, 0, 6))
const isJpeg = (bytes: Uint8Array): boolean => bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff

const parse = (bytes: Uint8Array): ImageHeader | HeaderProblem => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (isPng(bytes)) return pngHeader(bytes, view)
  if (isJpeg(bytes)) return jpegHeader(bytes, view)
  if (isWebp(bytes)) return webpHeader(bytes, view)
  if (isGif(bytes)) return gifHeader(bytes, view)
  if (bytes.length === 0) return { problem: "truncated", detail: "the file is empty" }
  const start = Array.from(bytes.subarray(0, 8), (byte) => byte.toString(16).padStart(2, "0")).join(" ")
  return { problem: "unsupported", detail: `the first bytes are ${start}` }
}

/**
 * Read format, size and colour model of a PNG, JPEG, WebP or GIF from its first bytes. Never throws, never allocates in
 * proportion to what the file claims; reads on only as far as the first pixel data. Zero sides are a problem.
 */
export const readImageHeader = (bytes: Uint8Array): ImageHeader | HeaderProblem => {
  const header = parse(bytes)
  if ("problem" in header || (header.width > 0 && header.height > 0)) return header
  return { problem: "corrupt", detail: `a side of zero: ${header.width} x ${header.height}` }
}
