import type { ColourModel, HeaderProblem, ImageHeader } from "./header.ts"

const colours: Readonly<Record<number, ColourModel>> = { 1: "grey", 3: "rgb", 4: "cmyk" }

/** SOF0 to SOF15 without DHT (C4), JPG (C8) and DAC (CC). */
const isFrameStart = (marker: number): boolean =>
  marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc

/** Markers without a length: TEM, RST0 to RST7, SOI, EOI. */
const stands = (marker: number): boolean => marker === 0x01 || (marker >= 0xd0 && marker <= 0xd9)

/** Offset of the next marker's second byte from `at` on: past stray bytes and fill bytes, as libjpeg skips them. */
const nextMarker = (bytes: Uint8Array, at: number): number => {
  let next = at
  while (next < bytes.length) {
    next = bytes.indexOf(0xff, next)
    if (next === -1) return bytes.length
    while (bytes[next] === 0xff) next++
    if (bytes[next] !== 0) return next // FF 00 stands for a byte FF within a scan
  }
  return bytes.length
}

/** Walks the segments up to the first scan. Source: ITU-T T.81 annex B. */
export const jpegHeader = (bytes: Uint8Array, view: DataView): ImageHeader | HeaderProblem => {
  let frame: { width: number; height: number; bitDepth: number; colour: ColourModel } | undefined
  let hasPixelData = false
  let hasEnded = false // a scan or the end was met
  let at = 2
  while (true) {
    at = nextMarker(bytes, at)
    const marker = bytes[at] ?? 0
    if (stands(marker) && marker !== 0xd9) {
      at += 1
      continue
    }
    if (marker === 0xd9) {
      hasEnded = true
      break
    }
    if (at + 3 > bytes.length) break
    const length = view.getUint16(at + 1)
    const body = at + 3
    if (isFrameStart(marker) && frame === undefined) {
      if (body + 6 > bytes.length) break
      const colour = colours[view.getUint8(body + 5)]
      if (colour === undefined) {
        return { problem: "unsupported", detail: `a JPEG of ${bytes[body + 5]} components` }
      }
      const [height, width] = [view.getUint16(body + 1), view.getUint16(body + 3)]
      frame = { width, height, bitDepth: view.getUint8(body), colour }
    }
    at += 1 + Math.max(length, 2)
    if (marker === 0xda) {
      hasPixelData = at < bytes.length
      hasEnded = true
      break
    }
  }
  if (frame === undefined) {
    return hasEnded ?
      { problem: "corrupt", detail: "the JPEG has a scan or an end before any frame header" } :
      { problem: "truncated", detail: "the JPEG ends before its frame header" }
  }
  return {
    format: "jpeg",
    ...frame,
    hasPixelData,
    isCutOff: false
  }
}

/**
 * A JPEG that ends within a table or scan header between its scans makes libjpeg give up on what it has. Cut that last,
 * incomplete segment off; `undefined` when there is none.
 */
export const withoutCutSegment = (bytes: Uint8Array): Uint8Array | undefined => {
  let at = 2
  while (true) {
    const start = nextMarker(bytes, at)
    if (start >= bytes.length) return undefined
    const marker = bytes[start] ?? 0
    if (stands(marker)) {
      at = start + 1
      continue
    }
    const end = start + 1 + ((bytes[start + 1] ?? 0) << 8 | (bytes[start + 2] ?? 0))
    if (start + 2 >= bytes.length || end > bytes.length) return bytes.subarray(0, start - 1)
    at = Math.max(end, start + 3)
  }
}
