import type { FileSystem, PlatformError, Scope } from "effect"
import { Effect } from "effect"
import type { Checksum } from "./checksum.ts"
import { PIECE_BYTES, sha256 } from "./checksum.ts"
import type { CheckpointError } from "./errors.ts"
import { checkpointError } from "./errors.ts"

/** A file in memory with the checksum that was taken while it was read. */
export interface ReadFile {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly checksum: Checksum
}

/** The CheckpointError of a file system that refuses to read `file`. */
export const readError = (file: string, advice: string) => (error: PlatformError.PlatformError): CheckpointError => {
  const isMissing = error.reason._tag === "NotFound"
  const [reason, found] = isMissing ? ["missing", "no such file"] as const : ["read", error.message] as const
  return checkpointError({ reason, file, expected: "a file that can be read", found, advice })
}

/** A file of at most `maxBytes`, open until the scope closes. Fails with `missing`, `read` or `tooLarge`. */
export const openAtMost = (
  fs: FileSystem.FileSystem,
  file: string,
  maxBytes: number
): Effect.Effect<
  { readonly handle: FileSystem.File; readonly numBytes: number },
  CheckpointError,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const handle = yield* fs.open(file, { flag: "r" })
    const numBytes = Number((yield* handle.stat).size)
    if (numBytes > maxBytes) {
      const [expected, found] = [`at most ${maxBytes} bytes`, `${numBytes}`]
      const advice = "raise maxBytes if the source is trusted"
      return yield* checkpointError({ reason: "tooLarge", file, expected, found, advice })
    }
    return { handle, numBytes }
  }).pipe(
    Effect.catchTag("PlatformError", (error) => Effect.fail(readError(file, "check the path")(error)))
  )

/**
 * Reads a whole file, in pieces, and takes its checksum, a hash per piece, on the way. Fails with `missing`, `read`, or `tooLarge` before
 * anything is allocated.
 */
export const readWhole = (
  fs: FileSystem.FileSystem,
  file: string,
  maxBytes: number,
  pieceBytes: number = PIECE_BYTES
): Effect.Effect<ReadFile, CheckpointError> =>
  Effect.gen(function* () {
    const { handle, numBytes } = yield* openAtMost(fs, file, maxBytes)
    const bytes = new Uint8Array(numBytes)
    const hashes: Array<string> = []
    for (let begin = 0; begin === 0 || begin < numBytes; begin += pieceBytes) {
      const piece = bytes.subarray(begin, begin + pieceBytes)
      for (let at = 0; at < piece.length;) {
        const count = yield* handle.read(piece.subarray(at))
        if (count === 0) {
          const [expected, found] = [`${numBytes} bytes`, `${begin + at}`]
          const advice = "something else writes to the file; try again"
          return yield* checkpointError({ reason: "read", file, expected, found, advice })
        }
        at += count
      }
      hashes.push(yield* sha256(piece))
    }
    return { bytes, checksum: { numBytes, sha256: hashes } }
  }).pipe(
    Effect.scoped,
    Effect.catchTag("PlatformError", (error) => Effect.fail(readError(file, "check the path")(error)))
  )

/**
 * Writes a new file of `numBytes`, in pieces, syncs it to the disk, and gives the checksum of what was written.
 * `chunks` are copied into one buffer of at most 64 MiB, so that many small tensors are one write.
 */
export const writeWhole = (
  fs: FileSystem.FileSystem,
  file: string,
  numBytes: number,
  chunks: Iterable<Uint8Array>,
  pieceBytes: number = PIECE_BYTES
): Effect.Effect<Checksum, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const handle = yield* fs.open(file, { flag: "w" })
    const buffer = new Uint8Array(Math.min(numBytes, pieceBytes))
    const hashes: Array<string> = []
    let filled = 0
    const flush = Effect.gen(function* () {
      const piece = buffer.subarray(0, filled)
      hashes.push(yield* sha256(piece))
      yield* handle.writeAll(piece)
      filled = 0
    })
    for (const chunk of chunks) {
      for (let at = 0; at < chunk.length;) {
        if (filled === buffer.length) yield* flush
        const part = chunk.subarray(at, at + buffer.length - filled)
        buffer.set(part, filled)
        filled += part.length
        at += part.length
      }
    }
    yield* flush
    yield* handle.sync
    return { numBytes, sha256: hashes }
  }).pipe(Effect.scoped)

/**
 * Syncs a folder's list of names, so that a rename survives a power cut. Some platforms refuse to open folders; there a
 * rename is still all or nothing, so the refusal is no failure.
 */
export const syncFolder = (fs: FileSystem.FileSystem, folder: string): Effect.Effect<void> =>
  fs.open(folder, { flag: "r" }).pipe(
    Effect.flatMap((handle) => handle.sync),
    Effect.scoped,
    Effect.catchTag("PlatformError", () => Effect.void)
  )
