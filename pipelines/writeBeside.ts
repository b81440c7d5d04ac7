import { Effect, FileSystem } from "effect"
import type { PlatformError } from "effect"

/**
 * Writes a file beside its place, syncs it and renames it: whoever reads `file` sees the old content or the new, whole.
 * What was written of a failed attempt is removed.
 */
export const writeBeside = (
  file: string,
  content: string | Uint8Array
): Effect.Effect<void, PlatformError.PlatformError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const beside = `${file}.part`
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content
    const write = Effect.scoped(Effect.gen(function* () {
      const opened = yield* fs.open(beside, { flag: "w" })
      yield* opened.writeAll(bytes)
      yield* opened.sync
    }))
    yield* write.pipe(
      Effect.andThen(fs.rename(beside, file)),
      Effect.tapError(() => Effect.option(fs.remove(beside)))
    )
  })
