import { Effect } from "effect"
import type { CheckpointError } from "../errors.ts"
import { crc32 } from "./crc32.ts"
import type { ByteSource } from "./source.ts"
import type { ZipRecord } from "./zipDirectory.ts"
import { zipProblem } from "./zipDirectory.ts"

const LOCAL = 0x04034b50
const LOCAL_BYTES = 30

/** Where a record's bytes start: after its local header, which must be the one that the directory describes. */
export const bodyOf = (source: ByteSource, record: ZipRecord): Effect.Effect<number, CheckpointError> =>
  Effect.gen(function* () {
    const { file } = source
    const name = new TextEncoder().encode(record.name)
    const shown = JSON.stringify(record.name.slice(0, 80))
    const header = yield* source.read(record.offset, LOCAL_BYTES)
    const view = new DataView(header.buffer, header.byteOffset, header.byteLength)
    const [method, nameBytes, extraBytes] = [8, 26, 28].map((at) => view.getUint16(at, true))
    if (view.getUint32(0, true) !== LOCAL || method !== 0) {
      return yield* zipProblem(file, `the header of ${shown} at byte ${record.offset}`, "other bytes")
    }
    const stored = yield* source.read(record.offset + LOCAL_BYTES, nameBytes ?? 0)
    if (stored.length !== name.length || stored.some((byte, i) => byte !== name[i])) {
      return yield* zipProblem(file, `the name ${shown} at its record`, "another name")
    }
    const body = record.offset + LOCAL_BYTES + (nameBytes ?? 0) + (extraBytes ?? 0)
    if (body + record.numBytes > record.limit) {
      return yield* zipProblem(file, "records that do not overlap", `${shown} reaching past byte ${record.limit}`)
    }
    return body
  })

/** Compares the CRC-32 of a whole record. A stored 0 says nothing: torch can write files without checksums. */
export const checkCrc = (file: string, record: ZipRecord, bytes: Uint8Array): Effect.Effect<void, CheckpointError> =>
  Effect.suspend(() => {
    const found = record.crc === 0 ? 0 : crc32(bytes)
    if (found === record.crc) return Effect.void
    const hex = (crc: number): string => crc.toString(16).padStart(8, "0")
    const name = JSON.stringify(record.name.slice(0, 80))
    return zipProblem(file, `${name} of CRC-32 ${hex(record.crc)}`, hex(found), "checksum")
  })

/** A whole record, its CRC compared. Fails with `tooLarge` above `maxBytes`, before anything is allocated. */
export const readRecord = (
  source: ByteSource,
  record: ZipRecord,
  maxBytes: number
): Effect.Effect<Uint8Array, CheckpointError> =>
  Effect.gen(function* () {
    if (record.numBytes > maxBytes) {
      const expected = `at most ${maxBytes} bytes in ${JSON.stringify(record.name.slice(0, 80))}`
      return yield* zipProblem(source.file, expected, `${record.numBytes}`, "tooLarge")
    }
    const bytes = yield* source.read(yield* bodyOf(source, record), record.numBytes)
    yield* checkCrc(source.file, record, bytes)
    return bytes
  })
