import { Context, Effect, FileSystem, Layer, Path } from "effect"
import type { Arrays } from "./arrays.ts"
import { CheckpointError, checkpointError, type UnsafePickle } from "./errors.ts"
import { locateCheckpoint, stepsOf } from "./locate.ts"
import type { LoadedModel } from "./modelFile.ts"
import { loadModel } from "./modelFile.ts"
import type { LoadOptions } from "./readStep.ts"
import { maxBytesOf, readState, readStepModel, readStepOptimizer, readVerified } from "./readStep.ts"
import type { CheckpointState } from "./state.ts"
import { openTensorFile } from "./tensorFile.ts"
import type { CheckpointToSave, SavedCheckpoint } from "./writeStep.ts"
import { writeStep } from "./writeStep.ts"

/** A checkpoint that was loaded to be used: `state` is null where it was a lone model file. */
export interface LoadedCheckpoint extends LoadedModel {
  readonly file: string
  readonly state: CheckpointState | null
}

/** A checkpoint that was loaded to go on from, and what was wrong with newer ones. */
export interface ResumePoint extends LoadedModel {
  readonly folder: string
  readonly optimizer: Arrays
  readonly state: CheckpointState
  readonly skipped: ReadonlyArray<CheckpointError>
}

/** What the `CheckpointStore` service does. */
export interface CheckpointStoreShape {
  /**
   * Saves `dir/checkpoints/step-N` (N = `state.step`): written beside, synced, renamed as a whole; keeps this one, the
   * newest before it and the best, and removes others only then. A failure (`write`) leaves earlier checkpoints as they
   * were; `stillGood` names the newest that was read back and verified after it.
   */
  readonly save: (dir: string, checkpoint: CheckpointToSave) => Effect.Effect<SavedCheckpoint, CheckpointError>
  /**
   * Loads the model of a CHECKPOINT: a `.safetensors` or `.pt` file, a `step-N/` folder, or a run directory (its best,
   * else its newest). Checksums are verified where there is a state. Never another checkpoint than the one that was asked
   * for. `inference` is set where a `.pt` file does not describe its model and none was named.
   */
  readonly load: (
    checkpoint: string,
    options?: LoadOptions
  ) => Effect.Effect<LoadedCheckpoint, CheckpointError | UnsafePickle>
  /**
   * The newest checkpoint of a run directory that is whole, with its optimizer arrays; `skipped` says what was wrong with
   * newer ones. Undefined where the run has no checkpoint yet. Fails where it has some and none is good, and at once
   * where a good one is of another model than the wanted one.
   */
  readonly newestGood: (dir: string, options?: LoadOptions) => Effect.Effect<ResumePoint | undefined, CheckpointError>
  /** The states of a run's checkpoints, newest first; weights are not read. Fails where one of them cannot be read. */
  readonly states: (dir: string) => Effect.Effect<ReadonlyArray<CheckpointState>, CheckpointError>
}

const CheckpointStoreBase: Context.ServiceClass<CheckpointStore, "diffclip/CheckpointStore", CheckpointStoreShape> =
  Context.Service<CheckpointStore, CheckpointStoreShape>()("diffclip/CheckpointStore")

/** Saves and loads checkpoints. `checkpointStore` is its layer over a file system. */
export class CheckpointStore extends CheckpointStoreBase {}

/** Failures of what a caller asked for, rather than of a checkpoint: an older one would not help. */
const isOfTheRequest = ({ reason }: CheckpointError): boolean => reason === "otherModel" || reason === "tooLarge"

const makeStore = (fs: FileSystem.FileSystem, path: Path.Path): CheckpointStoreShape => {
  const loadFolder = (folder: string, options: LoadOptions): Effect.Effect<LoadedCheckpoint, CheckpointError> =>
    Effect.gen(function* () {
      const state = yield* readState(fs, path, folder)
      const loaded = yield* readStepModel(fs, path, folder, state, options)
      return { ...loaded, file: path.join(folder, "model.safetensors"), state }
    })

  const resumeFolder = (folder: string, options: LoadOptions): Effect.Effect<ResumePoint, CheckpointError> =>
    Effect.gen(function* () {
      const state = yield* readState(fs, path, folder)
      const loaded = yield* readStepModel(fs, path, folder, state, options)
      const optimizer = yield* readStepOptimizer(fs, path, folder, state, options)
      return { ...loaded, folder, optimizer, state, skipped: [] }
    })

  const isGood = (folder: string): Effect.Effect<boolean> =>
    Effect.gen(function* () {
      const state = yield* readState(fs, path, folder)
      for (const name of ["model.safetensors", "optimizer.safetensors"] as const) {
        yield* readVerified(fs, path, folder, name, state, maxBytesOf({}))
      }
      return true
    }).pipe(Effect.catchTag("CheckpointError", () => Effect.succeed(false)))

  const newestVerified = (dir: string): Effect.Effect<string | undefined> =>
    Effect.gen(function* () {
      for (const { folder } of yield* stepsOf(fs, path, dir)) if (yield* isGood(folder)) return folder
      return undefined
    }).pipe(Effect.catchTag("CheckpointError", () => Effect.succeed(undefined)))

  const save = Effect.fn("CheckpointStore.save")((dir: string, checkpoint: CheckpointToSave) =>
    writeStep(fs, path, dir, checkpoint).pipe(
      Effect.catchTag("PlatformError", (error) =>
        Effect.flatMap(newestVerified(dir), (stillGood) => {
          const good = stillGood === undefined ? "no checkpoint of this run is good" : `${stillGood} is still good`
          return Effect.fail(checkpointError({
            reason: "write",
            file: path.join(dir, "checkpoints", `step-${checkpoint.state.step}`),
            expected: "a disk that can be written to",
            found: error.message,
            ...(stillGood === undefined ? {} : { stillGood }),
            advice: `${good}; make room or fix the disk, then resume`
          }))
        }))
    )
  )

  const load = Effect.fn("CheckpointStore.load")(function* (checkpoint: string, options: LoadOptions = {}) {
    const place = yield* locateCheckpoint(fs, path, checkpoint)
    if (place.kind === "step") return yield* loadFolder(place.folder, options)
    const opened = openTensorFile(fs, checkpoint, maxBytesOf(options))
    const loaded = yield* Effect.scoped(Effect.flatMap(opened, (file) => loadModel(file, options)))
    return { ...loaded, file: checkpoint, state: null }
  })

  const newestGood = Effect.fn("CheckpointStore.newestGood")(function* (dir: string, options: LoadOptions = {}) {
    const skipped: Array<CheckpointError> = []
    for (const { folder } of yield* stepsOf(fs, path, dir)) {
      const point = yield* resumeFolder(folder, options).pipe(
        Effect.catchTag(
          "CheckpointError",
          (error) => isOfTheRequest(error) ? Effect.fail(error) : Effect.succeed(error)
        )
      )
      if (!(point instanceof CheckpointError)) return { ...point, skipped }
      skipped.push(point)
    }
    if (skipped.length === 0) return undefined
    return yield* checkpointError({
      reason: "missing",
      file: dir,
      expected: "a checkpoint that is whole",
      found: `${skipped.length} that are not (${skipped.map(({ message }) => message).join("; ")})`,
      advice: "start afresh in another directory, or bring the files back"
    })
  })

  const states = Effect.fn("CheckpointStore.states")(function* (dir: string) {
    const found: Array<CheckpointState> = []
    for (const { folder } of yield* stepsOf(fs, path, dir)) found.push(yield* readState(fs, path, folder))
    return found
  })

  return { save, load, newestGood, states }
}

/** The store over the file system that is provided: files as they are, nothing cached. */
export const checkpointStore: Layer.Layer<CheckpointStore, never, FileSystem.FileSystem | Path.Path> = Layer.effect(
  CheckpointStore,
  Effect.gen(function* () {
    return makeStore(yield* FileSystem.FileSystem, yield* Path.Path)
  })
)
