import * as tf from "@tensorflow/tfjs-core"
import { Effect, FileSystem, Path } from "effect"
import type { PlatformError, Scope } from "effect"
import type { Arrays, ResumePoint } from "../lib/checkpoint/index.ts"
import { CheckpointError, CheckpointStore, describeModel, paramsFrom } from "../lib/checkpoint/index.ts"
import type { UnitError } from "../lib/backend/index.ts"
import { disposeParams, keyOf, sameShape, showShape, value } from "../lib/tensor/index.ts"
import type { Log, LogError } from "../lib/track/index.ts"
import { cutAfter, openLog, Progress } from "../lib/track/index.ts"
import { ConfigInvalid, invalid } from "./errors.ts"
import { disposeState, type Position } from "./position.ts"
import { type AnyRecord, isRecord } from "./record.ts"
import { Run } from "./run.ts"
import { type FlatState, flattenState, unflattenState } from "./stateTree.ts"
import { writeBeside } from "./writeBeside.ts"
import type { Recipe } from "./training.ts"
import type { TwoTowerParams } from "./trainStep.ts"

/** An open run: where it is, its log, and how to get its first position. */
export interface OpenRun<P extends TwoTowerParams, S> {
  readonly dir: string
  readonly log: Log
  /** Weights and state at the beginning: drawn, or from the checkpoint that is resumed. The caller owns them. */
  readonly start: Effect.Effect<Position<P, S>, UnitError | CheckpointError>
  /** The checkpoint that was resumed; undefined for a fresh run. */
  readonly resumed: { readonly step: number; readonly finished: boolean; readonly folder: string } | undefined
  /** The resolved configuration as it stands in `config.json` and in every checkpoint. */
  readonly record: RunRecord
}

/** What a run is of, besides model, loss and configuration. */
export interface RunFacts {
  readonly dataset: { readonly name: string; readonly fingerprint: string | null }
  readonly steps: number
  readonly optimizer: string
  readonly schedule: string
}

/** What `config.json` holds. */
export type RunRecord = AnyRecord

const unusable = (dir: string) => (error: PlatformError.PlatformError): CheckpointError =>
  new CheckpointError({
    reason: "write",
    file: dir,
    found: error.message,
    message: `${dir}: expected a directory that a run can be written into, found ${error.message}: ` +
      "check the path and its permissions, or choose another"
  })

const mismatch = (file: string, found: string, reason: "missingTensor" | "shape"): CheckpointError =>
  new CheckpointError({
    reason,
    file,
    found,
    message:
      `${file}: expected the state of this run's optimizer, found ${found}: resume with the optimizer that the run ` +
      "began with, or choose another directory"
  })

/** Why a stored optimizer state is not of the structure of `template`; undefined where it is. */
const differenceOf = (template: FlatState, arrays: Arrays, numbers: object): CheckpointError | undefined => {
  const file = "optimizer.safetensors"
  for (const [path, { tensor }] of template.values) {
    const stored = arrays.get(path)
    if (stored === undefined) return mismatch(file, `no tensor ${path}`, "missingTensor")
    if (!sameShape(stored.shape, tensor.shape)) {
      return mismatch(file, `${path} of ${showShape(stored.shape)} for ${showShape(tensor.shape)}`, "shape")
    }
  }
  const known = new Set([...template.values.keys(), ...Object.keys(template.numbers)])
  const foreign = [...arrays.keys(), ...Object.keys(numbers)].find((path) => !known.has(path))
  if (foreign !== undefined) return mismatch(file, `${foreign}, which this optimizer has not`, "missingTensor")
  const missing = Object.keys(template.numbers).find((path) => !Object.hasOwn(numbers, path))
  return missing === undefined ? undefined : mismatch("state.json", `no number ${missing}`, "missingTensor")
}

const numbersIn = (point: ResumePoint): AnyRecord => {
  const found = point.state.extra["optimizerNumbers"]
  return isRecord(found) ? found : {}
}

/** Weights and optimizer state of a checkpoint. Fails where the state is of another optimizer; leaves nothing then. */
const resumeArrays = <P extends TwoTowerParams, S>(
  { model, optimizer, backend }: Recipe<P, S>,
  point: ResumePoint
): Effect.Effect<Position<P, S>, UnitError | CheckpointError> =>
  Effect.flatMap(
    backend.sync((): Position<P, S> | CheckpointError => {
      const params = paramsFrom<P>(model.specs, point.arrays)
      const template = optimizer.init(params)
      const numbers = numbersIn(point)
      const difference = differenceOf(flattenState(template), point.optimizer, numbers)
      if (difference !== undefined) {
        disposeParams(params)
        disposeState(template)
        return difference
      }
      const state = unflattenState(template, (path, like) => {
        const stored = point.optimizer.get(path)
        if (stored === undefined) return like
        like.tensor.dispose()
        return value(tf.keep(tf.tensor(stored.data, [...stored.shape], "float32")))
      }, (path) => Number(numbers[path]))
      return { params, state, step: point.state.step, cursor: point.state.cursor, isWhole: true }
    }),
    (placed) => placed instanceof CheckpointError ? Effect.fail(placed) : Effect.succeed(placed)
  )

const fresh = <P extends TwoTowerParams, S>(
  { model, optimizer, config, backend }: Recipe<P, S>
): Effect.Effect<Position<P, S>, UnitError> =>
  backend.sync(() => {
    const params = model.init(keyOf(config.seed))
    return { params, state: optimizer.init(params), step: 0, cursor: { epoch: 0, delivered: 0 }, isWhole: true }
  })

/** What may differ when a run is resumed: none of it changes a number. Data are compared by fingerprint. */
const changesNoNumber: ReadonlySet<string> = new Set([
  "dataset.name",
  "train.log.every",
  "train.checkpoint.every",
  "train.data.prefetch"
])

/** Names of the fields in which two plain records differ, with dots between levels. */
const differences = (a: unknown, b: unknown, path = ""): ReadonlyArray<string> => {
  if (JSON.stringify(a) === JSON.stringify(b)) return []
  if (!isRecord(a) || !isRecord(b)) return [path]
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((key) =>
    differences(a[key], b[key], path === "" ? key : `${path}.${key}`)
  )
}

/**
 * Opens the run directory. A fresh run refuses one that already has checkpoints; a resumed one goes on from the newest
 * that is whole (what was wrong with newer ones is announced), refuses another configuration, and cuts the log after the
 * checkpoint. Writes `config.json`.
 */
export const openRun = <P extends TwoTowerParams, S>(
  recipe: Recipe<P, S>,
  facts: RunFacts
): Effect.Effect<
  OpenRun<P, S>,
  ConfigInvalid | CheckpointError | LogError,
  Run | CheckpointStore | Progress | FileSystem.FileSystem | Path.Path | Scope.Scope
> =>
  Effect.gen(function* () {
    const { dir, begin } = yield* Run
    const store = yield* CheckpointStore
    const progress = yield* Progress
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const record: RunRecord = {
      model: describeModel(recipe.model),
      ...facts,
      loss: recipe.loss.name,
      train: recipe.config
    }
    const existing = yield* fs.exists(path.join(dir, "checkpoints")).pipe(Effect.mapError(unusable(dir)))
    if (existing && begin === "fresh") {
      const states = yield* store.states(dir)
      if (states.length > 0) {
        return yield* invalid(
          "out",
          `expected a directory without a run, found checkpoints up to step ${states[0]?.step} in ${dir}: ` +
            "resume it (--resume) or choose another directory"
        )
      }
    }
    if (begin === "resume" && !existing) yield* progress.note(`there is no run in ${dir} to resume: starting afresh`)
    const point = existing && begin === "resume" ? yield* store.newestGood(dir, { wanted: recipe.model }) : undefined
    for (const problem of point?.skipped ?? []) yield* progress.note(`skipped a damaged checkpoint: ${problem.message}`)
    if (point !== undefined) {
      const changed = differences(point.state.extra["run"], JSON.parse(JSON.stringify(record)))
        .filter((field) => !changesNoNumber.has(field))
      if (changed.length > 0) {
        return yield* new ConfigInvalid({
          issues: changed.map((field) => ({ path: field, message: "differs from the run that is resumed" })),
          message: `${dir} holds a run with another configuration (${changed.join(", ")}): resume it with its own, ` +
            "or choose another directory"
        })
      }
      if (point.state.enginePath !== recipe.backend.path) {
        yield* progress.note(
          `resuming on engine path ${recipe.backend.path}, the checkpoint is from ${point.state.enginePath}: ` +
            "the run goes on, but not bit for bit"
        )
      }
      yield* progress.note(`resuming after step ${point.state.step} from ${point.folder}`)
    }
    yield* fs.makeDirectory(dir, { recursive: true }).pipe(
      Effect.andThen(writeBeside(path.join(dir, "config.json"), `${JSON.stringify(record, null, 2)}\n`)),
      Effect.mapError(unusable(dir))
    )
    const logFile = path.join(dir, "log.jsonl")
    yield* cutAfter(logFile, point?.state.step ?? 0)
    const log = yield* openLog(logFile)
    const start = point === undefined ? fresh(recipe) : resumeArrays(recipe, point)
    const resumed = point === undefined ?
      undefined :
      { step: point.state.step, finished: point.state.finished, folder: point.folder }
    return { dir, log, start, resumed, record }
  })
