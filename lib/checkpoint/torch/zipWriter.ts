import type { SafetensorsImage } from "../safetensorsWriter.ts"
import { crc32 } from "./crc32.ts"

/** A record to be stored. */
export interface RecordToWrite {
  readonly name: string
  readonly bytes: Uint8Array
}

/** When sizes and places are written with 64 bits. */
export type Zip64 = "whereNeeded" | "always"

interface Placed extends RecordToWrite {
  readonly encodedName: Uint8Array
  readonly crc: number
  readonly offset: number
  /** Whether size and place stand in an extra field of 64 bits. */
  readonly isLong: boolean
  readonly header: Uint8Array
}

const [LOCAL, ENTRY, END64, LOCATOR, END] = [0x04034b50, 0x02014b50, 0x06064b50, 0x07064b50, 0x06054b50]
const [FULL16, FULL32] = [0xffff, 0xffffffff]
/** Bodies start at multiples of this, as torch lays them out, so that they can be mapped into memory. */
const ALIGNMENT = 64
/** 00-00-1980, which is no date: files with equal content are equal. */
const NO_DATE = 0x0021
const UTF8 = 0x0800
const CHUNK_BYTES = 4 * 1024 * 1024

type Field = readonly [bytes: 2 | 4 | 8, value: number]

/** Numbers one after the other, little-endian. */
const pack = (fields: ReadonlyArray<Field>): Uint8Array => {
  const out = new Uint8Array(fields.reduce((sum, [bytes]) => sum + bytes, 0))
  const view = new DataView(out.buffer)
  let at = 0
  for (const [bytes, value] of fields) {
    if (bytes === 2) view.setUint16(at, value, true)
    else if (bytes === 4) view.setUint32(at, value, true)
    else view.setBigUint64(at, BigInt(value), true)
    at += bytes
  }
  return out
}

const join = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** What local header and directory entry have in common, from the version needed to the sizes. */
const common = (crc: number, size: number, isLong: boolean): ReadonlyArray<Field> => [
  [2, isLong ? 45 : 20],
  [2, UTF8],
  [2, 0], // stored
  [2, 0],
  [2, NO_DATE],
  [4, crc],
  [4, isLong ? FULL32 : size],
  [4, isLong ? FULL32 : size]
]

const place = ({ name, bytes }: RecordToWrite, offset: number, zip64: Zip64): Placed => {
  const encodedName = new TextEncoder().encode(name)
  const isLong = zip64 === "always" || bytes.length >= FULL32 || offset >= FULL32
  const crc = crc32(bytes)
  const long = isLong ? pack([[2, 1], [2, 16], [8, bytes.length], [8, bytes.length]]) : new Uint8Array(0)
  const before = offset + 30 + encodedName.length + long.length + 4
  const padding = (ALIGNMENT - before % ALIGNMENT) % ALIGNMENT
  // "FB" is the extra field that torch pads with, filled with Z.
  const pad = join([pack([[2, 0x4246], [2, padding]]), new Uint8Array(padding).fill(0x5a)])
  const fields: ReadonlyArray<Field> = [
    [4, LOCAL],
    ...common(crc, bytes.length, isLong),
    [2, encodedName.length],
    [2, long.length + pad.length]
  ]
  return { name, bytes, encodedName, crc, offset, isLong, header: join([pack(fields), encodedName, long, pad]) }
}

const entryOf = ({ encodedName, crc, offset, isLong, bytes }: Placed): Uint8Array => {
  const size = bytes.length
  const long = isLong ? pack([[2, 1], [2, 24], [8, size], [8, size], [8, offset]]) : new Uint8Array(0)
  const fields: ReadonlyArray<Field> = [
    [4, ENTRY],
    [2, isLong ? 45 : 20],
    ...common(crc, size, isLong),
    [2, encodedName.length],
    [2, long.length],
    [2, 0], // comment
    [2, 0], // disk
    [2, 0],
    [4, 0], // attributes
    [4, isLong ? FULL32 : offset]
  ]
  return join([pack(fields), encodedName, long])
}

const endOf = (count: number, size: number, begin: number, zip64: Zip64): Uint8Array => {
  const isLong = zip64 === "always" || count >= FULL16 || begin + size >= FULL32
  const end64: ReadonlyArray<Field> = [
    [4, END64],
    [8, 44],
    [2, 45],
    [2, 45],
    [4, 0],
    [4, 0],
    [8, count],
    [8, count],
    [8, size],
    [8, begin]
  ]
  const locator: ReadonlyArray<Field> = [[4, LOCATOR], [4, 0], [8, begin + size], [4, 1]]
  const end: ReadonlyArray<Field> = [
    [4, END],
    [2, 0],
    [2, 0],
    [2, isLong ? FULL16 : count],
    [2, isLong ? FULL16 : count],
    [4, isLong ? FULL32 : size],
    [4, isLong ? FULL32 : begin],
    [2, 0]
  ]
  return pack(isLong ? [...end64, ...locator, ...end] : end)
}

/**
 * A zip file of stored records in the given order, laid out as torch does it: bodies at multiples of 64, no dates, 64-bit
 * sizes where needed. Bodies are not copied. The same records give the same bytes. Source: PKWARE's APPNOTE 6.3.
 */
export const encodeZip = (records: ReadonlyArray<RecordToWrite>, zip64: Zip64 = "whereNeeded"): SafetensorsImage => {
  let offset = 0
  const placed = records.map((record) => {
    const made = place(record, offset, zip64)
    offset += made.header.length + record.bytes.length
    return made
  })
  const directory = join(placed.map(entryOf))
  const end = endOf(placed.length, directory.length, offset, zip64)
  return {
    numBytes: offset + directory.length + end.length,
    chunks: function* () {
      for (const { header, bytes } of placed) {
        yield header
        for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES)
      }
      yield directory
      yield end
    }
  }
}
