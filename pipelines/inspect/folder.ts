import type { PlatformError } from "effect"
import { Effect, FileSystem, Path } from "effect"
import type { CheckpointError } from "../../lib/checkpoint/index.ts"
import { CheckpointStore, fileSource, locateCheckpoint } from "../../lib/checkpoint/index.ts"
import type { Inspection, Json } from "./inspection.ts"
import { inspectSafetensors } from "./tensorFiles.ts"

const isJson = (value: unknown): value is Json => value !== undefined && typeof value !== "function"

/** JSON of a text; the text itself where it is none. */
const parsed = (text: string): Json => {
  try {
    const value: unknown = JSON.parse(text)
    return isJson(value) ? value : text
  } catch (error) {
    if (error instanceof SyntaxError) return text
    throw error
  }
}

/** Texts of JSON files that are shown are not longer than this. */
const MAX_STATE_BYTES = 64 * 1024 * 1024

const stateOf = (file: string): Effect.Effect<Json, PlatformError.PlatformError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    if (Number((yield* fs.stat(file)).size) > MAX_STATE_BYTES) return "…"
    return parsed(yield* fs.readFileString(file))
  })

/**
 * What a step's folder or a run directory holds: the model's tensors (of a run, of its best step, else its newest), the
 * state, sizes of the files, and of a run the steps there are. Headers are read, tensors are not.
 */
export const inspectFolder = (
  folder: string,
  maxBytes: number
): Effect.Effect<
  Inspection,
  CheckpointError | PlatformError.PlatformError,
  FileSystem.FileSystem | Path.Path | CheckpointStore
> =>
  Effect.gen(function* () {
    const [fs, path, store] = [yield* FileSystem.FileSystem, yield* Path.Path, yield* CheckpointStore]
    const place = yield* locateCheckpoint(fs, path, folder)
    const step = path.dirname(place.file)
    const isRun = path.resolve(step) !== path.resolve(folder)
    const model = yield* Effect.scoped(Effect.flatMap(fileSource(fs, place.file, maxBytes), inspectSafetensors))
    const files: Record<string, number> = {}
    for (const name of (yield* fs.readDirectory(step)).toSorted()) {
      files[name] = Number((yield* fs.stat(path.join(step, name))).size)
    }
    const steps = isRun ? (yield* store.states(folder)).map((state) => state.step) : []
    return {
      ...model,
      file: folder,
      kind: isRun ? "run" : "step",
      numBytes: Object.values(files).reduce((sum, size) => sum + size, 0),
      contents: {
        ...(isRun ? { steps, shown: path.basename(step) } : {}),
        files,
        state: yield* stateOf(path.join(step, "state.json"))
      }
    }
  })
