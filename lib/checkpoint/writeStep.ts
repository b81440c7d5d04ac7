import type { FileSystem, Path, PlatformError } from "effect"
import { Effect } from "effect"
import type { NamedArray } from "./arrays.ts"
import { syncFolder, writeWhole } from "./files.ts"
import type { ClipIdentity } from "./modelConfig.ts"
import { encodeModel } from "./modelFile.ts"
import { listRun, newName, oldName, stepName, stepsToKeep } from "./runFolder.ts"
import { encodeSafetensors, float32Tensor } from "./safetensorsWriter.ts"
import type { RunState } from "./state.ts"
import { encodeState } from "./state.ts"

/** A checkpoint to be saved. */
export interface CheckpointToSave {
  readonly model: ClipIdentity
  /** The model's parameters by path. */
  readonly params: ReadonlyArray<NamedArray>
  /** The optimizer's arrays under whatever paths its trees give them, such as `mu.visual.clsToken`. */
  readonly optimizer: ReadonlyArray<NamedArray>
  /** `versions.library` is also stored in the model file. */
  readonly state: RunState
}

/** What a save did: where the checkpoint is, and folders that should have gone and could not be removed. */
export interface SavedCheckpoint {
  readonly folder: string
  readonly notRemoved: ReadonlyArray<string>
}

const writeFiles = (fs: FileSystem.FileSystem, path: Path.Path, folder: string, checkpoint: CheckpointToSave) =>
  Effect.gen(function* () {
    const { model, params, optimizer, state } = checkpoint
    const modelImage = encodeModel(model, params, state.versions["library"] ?? "unknown")
    const optimizerImage = encodeSafetensors(
      optimizer.map(({ path: name, shape, data }) => float32Tensor(name, shape, data)),
      { diffclip: "1", step: `${state.step}` }
    )
    const modelSum = yield* writeWhole(
      fs,
      path.join(folder, "model.safetensors"),
      modelImage.numBytes,
      modelImage.chunks()
    )
    const optimizerSum = yield* writeWhole(
      fs,
      path.join(folder, "optimizer.safetensors"),
      optimizerImage.numBytes,
      optimizerImage.chunks()
    )
    const checksums = { "model.safetensors": modelSum, "optimizer.safetensors": optimizerSum }
    const text = new TextEncoder().encode(encodeState({ formatVersion: 1, ...state, checksums }))
    yield* writeWhole(fs, path.join(folder, "state.json"), text.length, [text])
    yield* syncFolder(fs, folder)
  })

/** Moves the written folder to its place; one of the same step steps aside and stays readable until then. */
const putInPlace = (fs: FileSystem.FileSystem, path: Path.Path, root: string, step: number) =>
  Effect.gen(function* () {
    const [made, place, aside] = [newName(step), stepName(step), oldName(step)].map((name) => path.join(root, name))
    if (made === undefined || place === undefined || aside === undefined) return
    if (yield* fs.exists(place)) {
      yield* fs.remove(aside, { recursive: true, force: true })
      yield* fs.rename(place, aside)
    }
    yield* fs.rename(made, place)
    yield* syncFolder(fs, root)
  })

/** Gives a step that was moved aside its name back, where nothing has taken its place. */
const putBack = (fs: FileSystem.FileSystem, path: Path.Path, dir: string) =>
  Effect.gen(function* () {
    for (const { step, folder } of (yield* listRun(fs, path, dir)).steps) {
      const place = path.join(dir, "checkpoints", stepName(step))
      if (folder !== place) yield* fs.rename(folder, place)
    }
  })

/** Removes what is no longer needed; a folder that will not go is no reason to stop a run. */
const prune = (
  fs: FileSystem.FileSystem,
  path: Path.Path,
  dir: string,
  state: RunState
): Effect.Effect<ReadonlyArray<string>> => {
  const remove = (folder: string): Effect.Effect<boolean, PlatformError.PlatformError> =>
    Effect.as(fs.remove(folder, { recursive: true, force: true }), false)
  return Effect.gen(function* () {
    yield* putBack(fs, path, dir)
    const { steps, leftovers } = yield* listRun(fs, path, dir)
    const keep = stepsToKeep(steps.map(({ step }) => step), state.step, state.best?.step)
    const obsolete = steps.filter(({ step }) => !keep.has(step)).map(({ folder }) => folder)
    return yield* Effect.filter(
      [...obsolete, ...leftovers],
      (folder) => Effect.catchTag(remove(folder), "PlatformError", () => Effect.succeed(true))
    )
  }).pipe(Effect.catchTag("PlatformError", () => Effect.succeed([path.join(dir, "checkpoints")])))
}

/**
 * Writes `dir/checkpoints/step-N`: all files into `step-N.new`, each synced, then one rename. Only then are older steps
 * removed, but for the newest before this one and the best. Whatever fails before the rename, or cuts it short, leaves
 * earlier checkpoints as they were.
 */
export const writeStep = (
  fs: FileSystem.FileSystem,
  path: Path.Path,
  dir: string,
  checkpoint: CheckpointToSave
): Effect.Effect<SavedCheckpoint, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const root = path.join(dir, "checkpoints")
    const { state } = checkpoint
    const fresh = path.join(root, newName(state.step))
    yield* fs.remove(fresh, { recursive: true, force: true })
    yield* fs.makeDirectory(fresh, { recursive: true })
    yield* writeFiles(fs, path, fresh, checkpoint).pipe(
      Effect.andThen(putInPlace(fs, path, root, state.step)),
      // On failure and on interruption; what cannot be cleared now is a leftover that the next save clears.
      Effect.onError(() =>
        Effect.andThen(putBack(fs, path, dir), fs.remove(fresh, { recursive: true, force: true })).pipe(
          Effect.catchTag("PlatformError", () => Effect.void)
        )
      )
    )
    return { folder: path.join(root, stepName(state.step)), notRemoved: yield* prune(fs, path, dir, state) }
  })
