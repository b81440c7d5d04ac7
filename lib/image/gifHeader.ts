import type { HeaderProblem, ImageHeader } from "./header.ts"

/** Where the first frame of a GIF lies on its screen and in the file. Offsets are in bytes. */
export interface GifFrame {
  readonly left: number
  readonly top: number
  readonly width: number
  readonly height: number
  readonly isInterlaced: boolean
  /** Index of the transparent colour, if one is named. */
  readonly transparentIndex?: number
  /** The palette, three bytes a colour; no colours when the file has none. */
  readonly paletteOffset: number
  readonly numColours: number
  /** The byte that holds the smallest code size; sub-blocks follow. */
  readonly dataOffset: number
}

const tableSize = (packed: number): number => (packed & 0x80) === 0 ? 0 : 2 << (packed & 7)

/** Offset after a chain of sub-blocks. */
const afterBlocks = (bytes: Uint8Array, at: number): number => {
  let next = at
  while (next < bytes.length && bytes[next] !== 0) next += 1 + (bytes[next] ?? 0)
  return next + 1
}

/** The first frame, behind the extensions before it; `undefined` when the file ends or strays before one. */
const firstFrame = (bytes: Uint8Array, view: DataView): GifFrame | undefined => {
  const globalColours = tableSize(view.getUint8(10))
  let transparentIndex: number | undefined
  let at = 13 + globalColours * 3
  while (at + 10 < bytes.length) {
    const kind = bytes[at]
    if (kind === 0x21) {
      const isControl = bytes[at + 1] === 0xf9 && (bytes[at + 2] ?? 0) >= 4
      if (isControl) transparentIndex = ((bytes[at + 3] ?? 0) & 1) === 1 ? bytes[at + 6] : undefined
      at = afterBlocks(bytes, at + 2)
    } else if (kind === 0x2c) {
      const packed = view.getUint8(at + 9)
      const localColours = tableSize(packed)
      return {
        left: view.getUint16(at + 1, true),
        top: view.getUint16(at + 3, true),
        width: view.getUint16(at + 5, true),
        height: view.getUint16(at + 7, true),
        isInterlaced: (packed & 0x40) !== 0,
        ...(transparentIndex === undefined ? {} : { transparentIndex }),
        paletteOffset: localColours > 0 ? at + 10 : 13,
        numColours: localColours > 0 ? localColours : globalColours,
        dataOffset: at + 10 + localColours * 3
      }
    } else if (kind === 0) at += 1 // stray terminators are skipped
    else return undefined
  }
  return undefined
}

/**
 * The logical screen, grown where the first frame reaches beyond it, as Pillow grows it. Source: GIF89a specification,
 * sections 18 to 23.
 */
export const gifHeader = (bytes: Uint8Array, view: DataView): ImageHeader | HeaderProblem => {
  if (bytes.length < 13) return { problem: "truncated", detail: "the GIF header is cut off" }
  const frame = firstFrame(bytes, view)
  const width = Math.max(view.getUint16(6, true), frame === undefined ? 0 : frame.left + frame.width)
  const height = Math.max(view.getUint16(8, true), frame === undefined ? 0 : frame.top + frame.height)
  return {
    format: "gif",
    width,
    height,
    colour: "palette",
    bitDepth: 8,
    hasPixelData: frame !== undefined && frame.dataOffset + 2 < bytes.length,
    isCutOff: false,
    ...(frame === undefined ? {} : { firstFrame: frame })
  }
}
