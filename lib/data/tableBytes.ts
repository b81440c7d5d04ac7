import { Effect, FileSystem, Stream } from "effect"
import type { PlatformError } from "effect/PlatformError"
import { TableError } from "./errors.ts"
import { shown } from "./shown.ts"

/** The text of a table, to be read from its beginning once and by ranges later. */
export interface TableBytes {
  readonly chunks: Stream.Stream<Uint8Array, TableError, FileSystem.FileSystem>
  readonly range: (offset: number, length: number) => Effect.Effect<Uint8Array, TableError, FileSystem.FileSystem>
}

const READ_SIZE = 262_144

/** A failure of the file system as a TableError. */
export const tableFileError = (file: string) => (error: PlatformError): TableError => {
  const reason = error.reason._tag === "NotFound" ? "missing" : "io"
  const got = reason === "missing" ? "no such file" : error.message
  return new TableError({ file, reason, message: `expected to read ${shown(file)}, got ${got}: check the path` })
}

/** A file as it is: only ranges of it are ever in memory. */
export const bytesOfFile = (file: string): TableBytes => {
  const stream = (options: { readonly offset?: number; readonly bytesToRead?: number }) =>
    Stream.unwrap(
      Effect.map(FileSystem.FileSystem, (fs) => fs.stream(file, { chunkSize: READ_SIZE, ...options }))
    ).pipe(Stream.mapError(tableFileError(file)))
  return {
    chunks: stream({}),
    range: (offset, length) => Stream.mkUint8Array(stream({ offset, bytesToRead: length }))
  }
}

/** Text that had to be made (unpacked, or written from columns) and is held, once, in pieces as it came. */
export const bytesInMemory = (pieces: ReadonlyArray<Uint8Array>): TableBytes => {
  const starts: Array<number> = []
  let total = 0
  for (const { length } of pieces) {
    starts.push(total)
    total += length
  }
  /** The piece that holds a byte. */
  const pieceOf = (offset: number): number => {
    let [low, high] = [0, starts.length - 1]
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((starts[middle] ?? 0) <= offset) low = middle
      else high = middle - 1
    }
    return low
  }
  return {
    chunks: Stream.fromIterable(pieces),
    range: (offset, length) =>
      Effect.sync(() => {
        const out = new Uint8Array(Math.max(0, Math.min(length, total - offset)))
        for (let i = pieceOf(offset), filled = 0; filled < out.length; i++) {
          const from = offset + filled - (starts[i] ?? 0)
          const part = pieces[i]?.subarray(from, from + out.length - filled) ?? new Uint8Array(0)
          out.set(part, filled)
          filled += part.length
        }
        return out
      })
  }
}

const tooLarge = (file: string, maxBytes: number): TableError => {
  const message = `expected ${shown(file)} to unpack to at most ${maxBytes} bytes, got more: unpack it and name the ` +
    "plain file, or raise maxTableBytes"
  return new TableError({ file, reason: "tooLong", message })
}

class TooLarge extends Error {}

/** A file's pieces, unpacked; what is above the cap is never held. */
const unpack = async (packed: Uint8Array, maxBytes: number): Promise<ReadonlyArray<Uint8Array>> => {
  const unpacked = new Blob([Uint8Array.from(packed)]).stream().pipeThrough(new DecompressionStream("gzip"))
  const reader = unpacked.getReader()
  const pieces: Array<Uint8Array> = []
  let total = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return pieces
    total += value.length
    if (total > maxBytes) {
      await reader.cancel()
      throw new TooLarge()
    }
    pieces.push(value)
  }
}

/** A file of gzip, unpacked into memory: it cannot be read by ranges. Fails with TableError: `format`, `tooLong`. */
export const bytesOfGzip = (
  file: string,
  maxBytes: number
): Effect.Effect<TableBytes, TableError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const packed = yield* Effect.mapError(fs.readFile(file), tableFileError(file))
    const pieces = yield* Effect.tryPromise({
      try: () => unpack(packed, maxBytes),
      catch: (error) => {
        if (error instanceof TooLarge) return tooLarge(file, maxBytes)
        const message = `expected ${shown(file)} to be gzip, got other or damaged data: fetch it again`
        return new TableError({ file, reason: "format", message })
      }
    })
    return bytesInMemory(pieces)
  })
