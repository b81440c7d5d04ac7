import { Effect } from "effect"
import type { CheckpointError, CheckpointErrorReason } from "../errors.ts"
import { checkpointError } from "../errors.ts"
import type { ByteSource } from "./source.ts"

/** A stored (uncompressed) record of a zip file. `limit` is where the next record or the directory starts. */
export interface ZipRecord {
  readonly name: string
  readonly numBytes: number
  readonly crc: number
  readonly offset: number
  readonly limit: number
}

/** Makes the error of a zip that is not as it should be. */
export const zipProblem = (
  file: string,
  expected: string,
  found: string,
  reason: CheckpointErrorReason = "malformed"
): CheckpointError =>
  checkpointError({
    reason,
    file,
    expected: `a zip file with ${expected}`,
    found,
    advice: reason === "unsupported" ?
      "store the records without compression, as torch does" :
      "the file is damaged or cut; fetch or write it again"
  })

/** The most bytes and records of a directory that are read. A checkpoint has some thousand records. */
const MAX_DIRECTORY_BYTES = 64 * 1024 * 1024
const MAX_RECORDS = 2 ** 18

const [END, END64, LOCATOR, ENTRY] = [0x06054b50, 0x06064b50, 0x07064b50, 0x02014b50]
const [END_BYTES, END64_BYTES, LOCATOR_BYTES, ENTRY_BYTES] = [22, 56, 20, 46]
const [FULL16, FULL32] = [0xffff, 0xffffffff]
/** Local headers have at least this many bytes. */
const LOCAL_BYTES = 30

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
const u64 = (view: DataView, at: number): number => Number(view.getBigUint64(at, true))

/** Where the directory lies; `end` is where it must stop. */
interface DirectoryPlace {
  readonly begin: number
  readonly numBytes: number
  readonly numRecords: number
  readonly end: number
}

type Fields = Omit<DirectoryPlace, "end">

/** The end record lies at the very end, but for a comment whose length it holds. */
const findEnd = (tail: Uint8Array): number | undefined => {
  const view = viewOf(tail)
  for (let at = tail.length - END_BYTES; at >= 0; at--) {
    if (view.getUint32(at, true) === END && at + END_BYTES + view.getUint16(at + 20, true) === tail.length) return at
  }
  return undefined
}

const oneDisk = (file: string, disks: ReadonlyArray<number>): Effect.Effect<void, CheckpointError> =>
  disks.every((disk) => disk === 0) ?
    Effect.void :
    Effect.fail(zipProblem(file, "all its records in one file", "one of several disks", "unsupported"))

/** The fields of a zip64 end record, which are the truth where the short record is full, and must agree elsewhere. */
const readEnd64 = (source: ByteSource, at: number, short: Fields): Effect.Effect<DirectoryPlace, CheckpointError> =>
  Effect.gen(function* () {
    const { file } = source
    const locator = viewOf(yield* source.read(at - LOCATOR_BYTES, LOCATOR_BYTES))
    const end = u64(locator, 8)
    const view = viewOf(yield* source.read(end, END64_BYTES))
    if (view.getUint32(0, true) !== END64) return yield* zipProblem(file, "a zip64 end record", "other bytes")
    yield* oneDisk(file, [locator.getUint32(4, true), view.getUint32(16, true), view.getUint32(20, true)])
    const numRecords = u64(view, 32)
    const fields: Fields = { numRecords, numBytes: u64(view, 40), begin: u64(view, 48) }
    const isSame = u64(view, 24) === numRecords &&
      (short.numRecords === FULL16 || short.numRecords === numRecords) &&
      (short.numBytes === FULL32 || short.numBytes === fields.numBytes) &&
      (short.begin === FULL32 || short.begin === fields.begin)
    if (isSame) return { ...fields, end }
    return yield* zipProblem(file, "two end records that agree", "two that differ")
  })

const findDirectory = (source: ByteSource): Effect.Effect<DirectoryPlace, CheckpointError> =>
  Effect.gen(function* () {
    const { file, numBytes } = source
    const length = Math.min(numBytes, END_BYTES + FULL16)
    const tail = yield* source.read(numBytes - length, length)
    const at = findEnd(tail)
    if (at === undefined) return yield* zipProblem(file, "an end record", "none: it is cut")
    const view = viewOf(tail.subarray(at))
    yield* oneDisk(file, [view.getUint16(4, true), view.getUint16(6, true)])
    const numRecords = view.getUint16(10, true)
    const short: Fields = { numRecords, numBytes: view.getUint32(12, true), begin: view.getUint32(16, true) }
    const end = numBytes - length + at
    const before = end < LOCATOR_BYTES ? undefined : viewOf(yield* source.read(end - LOCATOR_BYTES, LOCATOR_BYTES))
    const place = before?.getUint32(0, true) === LOCATOR ? yield* readEnd64(source, end, short) : { ...short, end }
    if (place.begin + place.numBytes !== place.end) {
      const [expected, found] = [`a directory that ends at byte ${place.end}`, `${place.begin} + ${place.numBytes}`]
      return yield* zipProblem(file, expected, found)
    }
    if (place.numRecords > MAX_RECORDS || place.numBytes > MAX_DIRECTORY_BYTES) {
      const expected = `at most ${MAX_RECORDS} records in a directory of ${MAX_DIRECTORY_BYTES} bytes`
      return yield* zipProblem(file, expected, `${place.numRecords} in ${place.numBytes}`, "tooLarge")
    }
    return place
  })

/** The values that stand in the zip64 extra field in place of those that are full, in their order. */
const extra64 = (extra: Uint8Array, wanted: number): ReadonlyArray<number> | undefined => {
  const view = viewOf(extra)
  for (let at = 0; at + 4 <= extra.length;) {
    const [id, length] = [view.getUint16(at, true), view.getUint16(at + 2, true)]
    if (at + 4 + length > extra.length) return undefined
    if (id === 1) {
      return length < 8 * wanted ? undefined : Array.from({ length: wanted }, (_, i) => u64(view, at + 4 + 8 * i))
    }
    at += 4 + length
  }
  return undefined
}

type Entry = Omit<ZipRecord, "limit"> & { readonly end: number }

/** One entry of the directory at `at`, and where the next starts. */
const entryAt = (file: string, bytes: Uint8Array, at: number): Effect.Effect<Entry, CheckpointError> =>
  Effect.suspend(() => {
    const view = viewOf(bytes)
    if (at + ENTRY_BYTES > bytes.length || view.getUint32(at, true) !== ENTRY) {
      return zipProblem(file, "a directory entry", "other bytes")
    }
    const [flags, method, crc] = [
      view.getUint16(at + 8, true),
      view.getUint16(at + 10, true),
      view.getUint32(at + 16, true)
    ]
    const [nameBytes, extraBytes, comment] = [28, 30, 32].map((field) => view.getUint16(at + field, true))
    const nameEnd = at + ENTRY_BYTES + (nameBytes ?? 0)
    const end = nameEnd + (extraBytes ?? 0) + (comment ?? 0)
    if (end > bytes.length) return zipProblem(file, "whole directory entries", "a cut one")
    const name = new TextDecoder().decode(bytes.subarray(at + ENTRY_BYTES, nameEnd))
    const shown = JSON.stringify(name.slice(0, 80))
    if (method !== 0) {
      return zipProblem(file, "stored records", `${shown} compressed by method ${method}`, "unsupported")
    }
    if ((flags & 0x2041) !== 0) return zipProblem(file, "plain records", `${shown} encrypted`, "unsupported")
    const short = [24, 20, 42].map((field) => view.getUint32(at + field, true)) // size, stored size, offset
    const wanted = short.filter((value) => value === FULL32).length
    const long = wanted === 0 ? [] : extra64(bytes.subarray(nameEnd, nameEnd + (extraBytes ?? 0)), wanted)
    if (long === undefined) return zipProblem(file, "zip64 sizes", `none for ${shown}`)
    let used = 0
    const [size, stored, offset] = short.map((value) => value === FULL32 ? long[used++] : value)
    if (size === undefined || offset === undefined || size !== stored) {
      return zipProblem(file, "stored records", `${shown} of ${size} bytes in ${stored}`)
    }
    return Effect.succeed({ name, numBytes: size, crc, offset, end })
  })

/** Records in the order of their bytes must not overlap, and none may reach into the directory. */
const checkPlaces = (file: string, entries: ReadonlyArray<Entry>, directory: number) =>
  Effect.gen(function* () {
    const limits = new Map<Entry, number>()
    const sorted = entries.toSorted((a, b) => a.offset - b.offset)
    for (const [i, entry] of sorted.entries()) {
      const limit = sorted[i + 1]?.offset ?? directory
      // Names have at least as many bytes as characters.
      if (entry.offset + LOCAL_BYTES + entry.name.length + entry.numBytes > limit) {
        const found = `${JSON.stringify(entry.name.slice(0, 80))} reaching past byte ${limit}`
        return yield* zipProblem(file, "records that do not overlap", found)
      }
      limits.set(entry, limit)
    }
    return limits
  })

/**
 * The records of a zip file, by name and in the order of its directory: zip64 or not, all of them stored. Sizes and
 * places are checked against each other and the file before anything is allocated for them. Fails with `malformed`,
 * `tooLarge`, or `unsupported` for compressed or encrypted records. Source: PKWARE's APPNOTE 6.3.
 */
export const readDirectory = (source: ByteSource): Effect.Effect<ReadonlyMap<string, ZipRecord>, CheckpointError> =>
  Effect.gen(function* () {
    const { file } = source
    const place = yield* findDirectory(source)
    const bytes = yield* source.read(place.begin, place.numBytes)
    const entries: Array<Entry> = []
    for (let at = 0; at < bytes.length;) {
      const entry = yield* entryAt(file, bytes, at)
      entries.push(entry)
      at = entry.end
    }
    if (entries.length !== place.numRecords) {
      return yield* zipProblem(file, `${place.numRecords} records`, `${entries.length}`)
    }
    const limits = yield* checkPlaces(file, entries, place.begin)
    const records = new Map<string, ZipRecord>()
    for (const entry of entries) {
      const { end: _, ...record } = entry
      if (records.has(record.name)) {
        return yield* zipProblem(file, "each name once", `${JSON.stringify(record.name.slice(0, 80))} twice`)
      }
      records.set(record.name, { ...record, limit: limits.get(entry) ?? record.offset })
    }
    return records
  })
