import type { GifFrame } from "./gifHeader.ts"
import type { ImageHeader } from "./header.ts"
import type { RgbaImage, RgbImage } from "./rgb.ts"

const MAX_CODES = 4096

/**
 * LZW codes to palette indices, until the data or the frame end. Codes that cannot be stop it: what came before stays,
 * as with a truncated file. Returns how many indices were written. Source: GIF89a specification, appendix F.
 */
const unpack = (bytes: Uint8Array, at: number, out: Uint8Array): number => {
  const minBits = bytes[at] ?? 0
  if (minBits < 1 || minBits > 11) return 0
  const clear = 1 << minBits
  const prefix = new Uint16Array(MAX_CODES)
  const suffix = new Uint8Array(MAX_CODES)
  const stack = new Uint8Array(MAX_CODES + 1)
  for (let i = 0; i < clear; i++) suffix[i] = i
  let [next, bits, previous, first] = [clear + 2, minBits + 1, -1, 0]
  let [buffer, held, written] = [0, 0, 0]
  let blockEnd = at + 1
  for (let i = at + 1; i < bytes.length; i++) {
    if (i === blockEnd) { // a length byte opens each sub-block; zero closes the chain
      if (bytes[i] === 0) return written
      blockEnd = i + 1 + (bytes[i] ?? 0)
      continue
    }
    buffer |= (bytes[i] ?? 0) << held
    held += 8
    while (held >= bits) {
      const code = buffer & ((1 << bits) - 1)
      buffer >>>= bits
      held -= bits
      if (code === clear) {
        ;[next, bits, previous] = [clear + 2, minBits + 1, -1]
        continue
      }
      if (code === clear + 1 || code > next || (code === next && previous < 0)) return written
      let depth = 0
      let walk = code
      if (code === next) { // the code about to be defined: the previous string and its own first index
        stack[depth++] = first
        walk = previous
      }
      while (walk >= clear) {
        stack[depth++] = suffix[walk] ?? 0
        walk = prefix[walk] ?? 0
      }
      first = walk
      stack[depth++] = walk
      while (depth > 0 && written < out.length) out[written++] = stack[--depth] ?? 0
      if (written === out.length) return written
      if (previous >= 0 && next < MAX_CODES) {
        prefix[next] = previous
        suffix[next] = first
        next += 1
        if (next === 1 << bits && bits < 12) bits += 1
      }
      previous = code
    }
  }
  return written
}

/** The frame's rows in the order in which the file gives them. */
const rowOrder = ({ height, isInterlaced }: GifFrame): ReadonlyArray<number> => {
  const rows = Array.from({ length: height }, (_, y) => y)
  if (!isInterlaced) return rows
  const passes = [[0, 8], [4, 8], [2, 4], [1, 2]] as const
  return passes.flatMap(([from, step]) => rows.filter((y) => y >= from && (y - from) % step === 0))
}

/** Palette indices of the whole screen, [height, width]. */
const screenOf = (bytes: Uint8Array, header: ImageHeader, frame: GifFrame): Uint8Array => {
  const { width, height } = header
  const background = frame.transparentIndex ?? 0
  const indices = new Uint8Array(frame.width * frame.height)
  unpack(bytes, frame.dataOffset, indices)
  const screen = new Uint8Array(width * height).fill(background)
  rowOrder(frame).forEach((y, row) => {
    screen.set(indices.subarray(row * frame.width, (row + 1) * frame.width), (frame.top + y) * width + frame.left)
  })
  return screen
}

const colourAt = (bytes: Uint8Array, frame: GifFrame, index: number, channel: number): number => {
  if (frame.numColours === 0) return index // no palette: grey
  return index < frame.numColours ? bytes[frame.paletteOffset + index * 3 + channel] ?? 0 : 0
}

const lookUp = (bytes: Uint8Array, header: ImageHeader, frame: GifFrame, channels: number): Uint8Array => {
  const table = new Uint8Array(256 * channels).fill(255)
  for (let index = 0; index < 256; index++) {
    for (let c = 0; c < 3; c++) table[index * channels + c] = colourAt(bytes, frame, index, c)
    if (channels === 4 && index === frame.transparentIndex) table[index * 4 + 3] = 0
  }
  const screen = screenOf(bytes, header, frame)
  const data = new Uint8Array(screen.length * channels)
  for (let p = 0, o = 0; p < screen.length; p++) {
    const from = (screen[p] ?? 0) * channels
    for (let c = 0; c < channels; c++) data[o++] = table[from + c] ?? 0
  }
  return data
}

/**
 * The first frame on its screen, with transparency of colours dropped: colours of transparent pixels are the palette's,
 * and the screen around the frame has the transparent colour (else colour 0). Pillow's `convert("RGB")`. Libraries that
 * give RGBA lose those colours, which is why this is read here. A cut file keeps what it has. `header` must be this
 * file's, with a first frame; memory is proportional to its size, so check that first.
 */
export const decodeGif = (bytes: Uint8Array, header: ImageHeader, frame: GifFrame): RgbImage => ({
  width: header.width,
  height: header.height,
  data: lookUp(bytes, header, frame, 3)
})

/** The same with alpha: 0 where the transparent colour stands. */
export const decodeGifWithAlpha = (bytes: Uint8Array, header: ImageHeader, frame: GifFrame): RgbaImage => ({
  width: header.width,
  height: header.height,
  data: lookUp(bytes, header, frame, 4)
})
