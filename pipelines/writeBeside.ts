import { Effect, FileSystem } from "effect"
import type { PlatformError } from "effect"

/**
 * Writes a file beside its place, syncs it and renames it: whoever reads `file` sees the old content or the new, whole.
 * What was written of an attempt that failed or was interrupted is removed. Content in pieces is asked for as it is
 * written.
 */
export const writeBeside = (
  file: string,
  content: string | Uint8Array | Iterable<Uint8Array>
): Effect.Effect<void, PlatformError.PlatformError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const beside = `${file}.part`
    const whole = typeof content === "string" ? new TextEncoder().encode(content) : content
    const pieces = whole instanceof Uint8Array ? [whole] : whole
    const write = Effect.scoped(Effect.gen(function* () {
      const opened = yield* fs.open(beside, { flag: "w" })
      for (const piece of pieces) yield* opened.writeAll(piece)
      yield* opened.sync
    }))
    yield* write.pipe(
      Effect.andThen(fs.rename(beside, file)),
      Effect.onError(() => Effect.option(fs.remove(beside)))
    )
  })
