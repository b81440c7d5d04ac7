import { crc32, deflateSync } from "node:zlib"

const ascii = (text: string): ReadonlyArray<number> => Array.from(text, (c) => c.charCodeAt(0))
const u32 = (n: number): ReadonlyArray<number> => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255]
const u16le = (n: number): ReadonlyArray<number> => [n & 255, n >> 8]

const pngChunk = (type: string, body: ReadonlyArray<number>): ReadonlyArray<number> => {
  const checked = [...ascii(type), ...body]
  return [...u32(body.length), ...checked, ...u32(crc32(Uint8Array.from(checked)))]
}

/** A PNG from unfiltered rows of bytes; no IDAT when there are no rows. `extra`: chunks before it. */
export const pngOf = (
  width: number,
  height: number,
  bitDepth: number,
  colourType: number,
  rows: ReadonlyArray<ReadonlyArray<number>>,
  extra: Readonly<Record<string, ReadonlyArray<number>>> = {}
): Uint8Array =>
  Uint8Array.from([
    ...[0x89, ...ascii("PNG\r\n\x1a\n")],
    ...pngChunk("IHDR", [...u32(width), ...u32(height), bitDepth, colourType, 0, 0, 0]),
    ...Object.entries(extra).flatMap(([type, body]) => pngChunk(type, body)),
    ...(rows.length === 0 ? [] : pngChunk("IDAT", [...deflateSync(Uint8Array.from(rows.flatMap((r) => [0, ...r])))])),
    ...pngChunk("IEND", [])
  ])

/** What a GIF's first frame is made of; colours are [r, g, b]. */
export interface GifParts {
  readonly screen: readonly [number, number]
  readonly frame: readonly [left: number, top: number, width: number, height: number]
  readonly palette: ReadonlyArray<readonly [number, number, number]>
  readonly indices: ReadonlyArray<number>
  readonly transparent?: number
  readonly isInterlaced?: boolean
}

/** A GIF of four colours with one frame, its codes never grown: a clear code stands before each second index. */
export const gifOf = ({ screen, frame, palette, indices, transparent, isInterlaced = false }: GifParts): Uint8Array => {
  const codes = [...indices.flatMap((index, i) => i % 2 === 0 ? [4, index] : [index]), 5] // 3 bits each
  const bits = codes.flatMap((code) => [code & 1, (code >> 1) & 1, code >> 2])
  const packed = Array.from(
    { length: Math.ceil(bits.length / 8) },
    (_, byte) => bits.slice(byte * 8, byte * 8 + 8).reduce((sum, bit, i) => sum + (bit << i), 0)
  )
  const control = transparent === undefined ? [] : [0x21, 0xf9, 4, 1, 0, 0, transparent, 0]
  return Uint8Array.from([
    ...ascii("GIF89a"),
    ...u16le(screen[0]),
    ...u16le(screen[1]),
    ...[0x81, 0, 0],
    ...palette.flat(),
    ...control,
    0x2c,
    ...frame.flatMap(u16le),
    isInterlaced ? 0x40 : 0,
    2,
    packed.length,
    ...packed,
    ...[0, 0x3b]
  ])
}

/** Bytes of a text. */
export const textBytes = (text: string): Uint8Array => new TextEncoder().encode(text)
