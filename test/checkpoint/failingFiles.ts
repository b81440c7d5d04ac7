import { NodeFileSystem, NodePath } from "@effect/platform-node"
import { Effect, FileSystem, Layer, PlatformError } from "effect"
import type { Path } from "effect"
import type { CheckpointStore } from "../../lib/checkpoint/index.ts"
import { checkpointStore } from "../../lib/checkpoint/index.ts"

/** A disk that refuses: `once` at one change only, `forEver` from there on, as if the process had been killed. */
export type Refusal = "once" | "forEver"

/** Counts the changes that are asked of a file system, and refuses the one of number `at` (from 0). */
export class Changes {
  count = 0
  readonly at: number
  readonly refusal: Refusal
  constructor(at: number = Infinity, refusal: Refusal = "once") {
    this.at = at
    this.refusal = refusal
  }
  /** Runs a change, or refuses it before it does anything. */
  guard<A, E, R>(
    method: string,
    path: string,
    change: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | PlatformError.PlatformError, R> {
    return Effect.suspend((): Effect.Effect<A, E | PlatformError.PlatformError, R> => {
      const index = this.count++
      const isRefused = this.refusal === "once" ? index === this.at : index >= this.at
      return isRefused ?
        Effect.fail(PlatformError.systemError({
          module: "FileSystem",
          method,
          _tag: "Unknown",
          description: "ENOSPC: no space left on device",
          pathOrDescriptor: path
        })) :
        change
    })
  }
}

const guardFile = (file: FileSystem.File, path: string, changes: Changes): FileSystem.File => {
  const write = (bytes: Uint8Array) =>
    // Half of what is written reaches the disk before it is full.
    changes.guard("writeAll", path, Effect.void).pipe(
      Effect.tapError(() => file.writeAll(bytes.subarray(0, bytes.length / 2))),
      Effect.andThen(file.writeAll(bytes))
    )
  return {
    [FileSystem.FileTypeId]: FileSystem.FileTypeId,
    stat: file.stat,
    sync: changes.guard("sync", path, Effect.void),
    seek: (offset, from) => file.seek(offset, from),
    read: (buffer, options) => file.read(buffer, options),
    readAlloc: (size, options) => file.readAlloc(size, options),
    truncate: (length) => file.truncate(length),
    write: (bytes) => file.write(bytes),
    writeAll: write
  }
}

const guarded = (fs: FileSystem.FileSystem, changes: Changes): FileSystem.FileSystem => ({
  ...fs,
  makeDirectory: (path, options) => changes.guard("makeDirectory", path, fs.makeDirectory(path, options)),
  remove: (path, options) => changes.guard("remove", path, fs.remove(path, options)),
  rename: (from, to) => changes.guard("rename", from, fs.rename(from, to)),
  open: (path, options) => {
    const opened = Effect.map(fs.open(path, options), (file) => guardFile(file, path, changes))
    return options?.flag === "r" ? opened : changes.guard("open", path, opened)
  }
})

/** Real files and paths. */
export const realFiles: Layer.Layer<FileSystem.FileSystem | Path.Path> = Layer.mergeAll(
  NodeFileSystem.layer,
  NodePath.layer
)

/**
 * The store over real files whose changes are counted and refused. Syncs are counted too, but not made: hundreds of saves
 * would wait for the disk.
 */
export const storeOver = (changes: Changes): Layer.Layer<CheckpointStore> =>
  Layer.fresh(checkpointStore).pipe( // layers are memoized by reference, also across nested provides
    Layer.provide(Layer.effect(
      FileSystem.FileSystem,
      Effect.map(FileSystem.FileSystem, (fs) => guarded(fs, changes))
    )),
    Layer.provide(realFiles)
  )
