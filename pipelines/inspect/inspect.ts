import type { PlatformError } from "effect"
import { Effect, FileSystem, type Path } from "effect"
import type { CheckpointError, CheckpointStore, UnsafePickle } from "../../lib/checkpoint/index.ts"
import { fileSource, formatOf } from "../../lib/checkpoint/index.ts"
import type { ShardError } from "../../lib/data/index.ts"
import { inspectFolder } from "./folder.ts"
import type { Inspection } from "./inspection.ts"
import { inspectShard } from "./shard.ts"
import { inspectSafetensors, inspectTorch } from "./tensorFiles.ts"

/** Nothing but headers and pickles is read of a file, so it may be large. */
const MAX_BYTES = 2 ** 50
const TAR_MAGIC_AT = 257

/** How an inspection can fail. */
export type InspectError = CheckpointError | UnsafePickle | ShardError | PlatformError.PlatformError

/**
 * What a file or folder holds: a safetensors or PyTorch file, a step's folder, a run directory, or a tar shard. Content
 * decides, not the name. Nothing in it is run, and no tensor is read.
 */
export const inspect = (
  file: string
): Effect.Effect<Inspection, InspectError, FileSystem.FileSystem | Path.Path | CheckpointStore> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    if ((yield* fs.stat(file)).type === "Directory") return yield* inspectFolder(file, MAX_BYTES)
    return yield* Effect.scoped(Effect.gen(function* () {
      const source = yield* fileSource(fs, file, MAX_BYTES)
      const start = yield* source.read(0, Math.min(source.numBytes, 512))
      const magic = new TextDecoder("latin1").decode(start.subarray(TAR_MAGIC_AT, TAR_MAGIC_AT + 5))
      if (magic === "ustar" || file.endsWith(".tar")) return yield* inspectShard(file, source.numBytes)
      return yield* formatOf(file, start) === "safetensors" ? inspectSafetensors(source) : inspectTorch(source)
    }))
  })
