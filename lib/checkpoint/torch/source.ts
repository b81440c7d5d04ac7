import type { FileSystem, Scope } from "effect"
import { Effect } from "effect"
import type { CheckpointError } from "../errors.ts"
import { checkpointError } from "../errors.ts"
import { openAtMost, readError } from "../files.ts"

/** Bytes that are read where they are needed: a file on disk, or one in memory. */
export interface ByteSource {
  /** Its name in errors. */
  readonly file: string
  readonly numBytes: number
  /**
   * `length` bytes from `offset`, possibly a view: do not write to them. Fails with `malformed` where they are not all
   * there, before anything is allocated, and with `read` where the disk refuses.
   */
  readonly read: (offset: number, length: number) => Effect.Effect<Uint8Array, CheckpointError>
}

const outside = (file: string, offset: number, length: number, numBytes: number): CheckpointError =>
  checkpointError({
    reason: "malformed",
    file,
    expected: `${length} bytes from byte ${offset}`,
    found: `a file of ${numBytes} bytes`,
    advice: "the file was cut or is damaged; fetch or write it again"
  })

const isWithin = (offset: number, length: number, numBytes: number): boolean =>
  Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0 &&
  offset + length <= numBytes

/** A file that is in memory. Nothing is copied. */
export const memorySource = (file: string, bytes: Uint8Array): ByteSource => ({
  file,
  numBytes: bytes.length,
  read: (offset, length) =>
    isWithin(offset, length, bytes.length) ?
      Effect.succeed(bytes.subarray(offset, offset + length)) :
      Effect.fail(outside(file, offset, length, bytes.length))
})

/**
 * A file on disk, open until the scope closes. Fails with `missing`, `read`, or with `tooLarge` where it has more than
 * `maxBytes`.
 */
export const fileSource = (
  fs: FileSystem.FileSystem,
  file: string,
  maxBytes: number
): Effect.Effect<ByteSource, CheckpointError, Scope.Scope> =>
  Effect.gen(function* () {
    const { handle, numBytes } = yield* openAtMost(fs, file, maxBytes)
    const read: ByteSource["read"] = (offset, length) =>
      Effect.gen(function* () {
        if (!isWithin(offset, length, numBytes)) return yield* outside(file, offset, length, numBytes)
        const bytes = new Uint8Array(length)
        for (let at = 0; at < length;) {
          const count = yield* handle.read(bytes.subarray(at), { position: BigInt(offset + at) })
          if (count === 0) return yield* outside(file, offset, length, offset + at)
          at += count
        }
        return bytes
      }).pipe(
        Effect.catchTag("PlatformError", (error) => Effect.fail(readError(file, "check the disk")(error)))
      )
    return { file, numBytes, read }
  })
