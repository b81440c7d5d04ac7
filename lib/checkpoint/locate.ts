import type { FileSystem, Path } from "effect"
import { Effect } from "effect"
import type { CheckpointError } from "./errors.ts"
import { checkpointError } from "./errors.ts"
import { readError } from "./files.ts"
import { readState } from "./readStep.ts"
import type { StepFolder } from "./runFolder.ts"
import { listRun } from "./runFolder.ts"

/** The folders of a run's checkpoints, newest first. Fails with `read` where they cannot be listed. */
export const stepsOf = (
  fs: FileSystem.FileSystem,
  path: Path.Path,
  dir: string
): Effect.Effect<ReadonlyArray<StepFolder>, CheckpointError> =>
  Effect.map(listRun(fs, path, dir), ({ steps }) => steps).pipe(
    Effect.mapError(readError(dir, "check the path and its permissions"))
  )

/** The folder of a run's best checkpoint, else of its newest. */
const bestOrNewest = (
  fs: FileSystem.FileSystem,
  path: Path.Path,
  dir: string
): Effect.Effect<string, CheckpointError> =>
  Effect.gen(function* () {
    const steps = yield* stepsOf(fs, path, dir)
    const newest = steps[0]
    if (newest === undefined) {
      const [expected, found] = ["a run directory with checkpoints/step-N/", "no checkpoint"]
      return yield* checkpointError({ reason: "missing", file: dir, expected, found, advice: "check the path" })
    }
    const { best } = yield* readState(fs, path, newest.folder)
    if (best === null) return newest.folder
    const folder = steps.find(({ step }) => step === best.step)?.folder
    if (folder !== undefined) return folder
    const [expected, found] = [`the best checkpoint, step-${best.step}`, "no such folder"]
    const advice = `name ${newest.folder}, which is the newest`
    return yield* checkpointError({ reason: "missing", file: dir, expected, found, advice })
  })

/** Where a CHECKPOINT's model lies: in a lone file, or in the folder of a step. */
export type CheckpointPlace =
  | { readonly kind: "file"; readonly file: string }
  | { readonly kind: "step"; readonly folder: string; readonly file: string }

/**
 * Finds the model of a CHECKPOINT: a file as it is, a `step-N/` folder, or a run directory's best step, else its newest.
 * Fails with a CheckpointError where there is none. Nothing of the model is read.
 */
export const locateCheckpoint = (
  fs: FileSystem.FileSystem,
  path: Path.Path,
  checkpoint: string
): Effect.Effect<CheckpointPlace, CheckpointError> =>
  Effect.gen(function* () {
    const info = yield* fs.stat(checkpoint).pipe(
      Effect.mapError(readError(checkpoint, "give a .safetensors or .pt file, a step-N folder or a run directory"))
    )
    if (info.type !== "Directory") return { kind: "file", file: checkpoint }
    const isStep = yield* fs.exists(path.join(checkpoint, "state.json")).pipe(
      Effect.mapError(readError(checkpoint, "check the path and its permissions"))
    )
    const folder = isStep ? checkpoint : yield* bestOrNewest(fs, path, checkpoint)
    return { kind: "step", folder, file: path.join(folder, "model.safetensors") }
  })
