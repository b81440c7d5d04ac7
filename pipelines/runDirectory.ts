import { Effect, FileSystem, Path } from "effect"
import type { PlatformError, Scope } from "effect"
import type { CheckpointState, UnsafePickle } from "../lib/checkpoint/index.ts"
import { CheckpointError, CheckpointStore, describeModel } from "../lib/checkpoint/index.ts"
import type { UnitError } from "../lib/backend/index.ts"
import type { Log, LogError } from "../lib/track/index.ts"
import { cutAfter, openLog, Progress } from "../lib/track/index.ts"
import { type Validated, validatedIn } from "./bestCheckpoint.ts"
import { type ConfigInvalid, invalid } from "./errors.ts"
import type { InitialWeights, InitRecord } from "./initFrom.ts"
import type { Position } from "./position.ts"
import { type AnyRecord, isRecord } from "./record.ts"
import { Run } from "./run.ts"
import { checkSameRun, historyOf } from "./sameRun.ts"
import { digestIn, type OrderWatch, watchOrder, type WindowDigest } from "./sameOrder.ts"
import { openSkipRecords, skippedIn, type SkipRecords } from "./skipRecords.ts"
import { firstPosition, resumedPosition } from "./startPosition.ts"
import { writeBeside } from "./writeBeside.ts"
import type { Recipe } from "./training.ts"
import type { TwoTowerParams } from "./trainStep.ts"

/** A checkpoint on disk: its step, whether it ends the run, and which step was validated last before it was written. */
export interface SavedStep {
  readonly step: number
  readonly finished: boolean
  readonly validatedStep: number
  readonly folder: string
}

/** An open run: where it is, its log, and how to get its first position. */
export interface OpenRun<P extends TwoTowerParams, S> {
  readonly dir: string
  readonly log: Log
  /** Weights and state at the beginning: drawn, or from the checkpoint that is resumed. The caller owns them. */
  readonly start: Effect.Effect<Position<P, S>, UnitError | CheckpointError>
  /** The checkpoint that was resumed; undefined for a fresh run. `finished`: nothing is left to do. */
  readonly resumed: SavedStep | undefined
  /** What validation knows; training changes it. */
  readonly validated: Validated
  /** The resolved configuration as it stands in `config.json` and in every checkpoint. */
  readonly record: RunRecord
  /** The samples that the run left out, those before the checkpoint included. */
  readonly skips: SkipRecords
  /** What was used of the window in which the run stands, and of that in which it began. */
  readonly order: OrderWatch
  readonly digestAtStart: WindowDigest | undefined
}

/** What a run is of, besides model, loss and configuration. */
export interface RunFacts {
  readonly dataset: { readonly name: string; readonly fingerprint: string | null }
  readonly steps: number
  readonly optimizer: string
  readonly schedule: string
  /** What is validated how often; null where nothing is. */
  readonly validate: AnyRecord | null
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

const storedRecord = (state: CheckpointState | undefined): RunRecord => {
  const run = state?.extra["run"]
  return isRecord(run) ? run : {}
}

const startingFrom = ({ model, step, checkpoint, interpolated }: InitRecord): string =>
  `starting from ${model} after step ${step}${checkpoint === null ? "" : ` (${checkpoint})`}` +
  (interpolated.length === 0 ? "" : `, ${interpolated.join(" and ")} made to fit`)

/**
 * Opens the run directory. A fresh run refuses one that already has checkpoints; a resumed one goes on from the newest
 * that is whole (what was wrong with newer ones is announced), refuses another configuration, and cuts the log after the
 * checkpoint. `initial` is asked for a fresh run only. Writes `config.json`.
 */
export const openRun = <P extends TwoTowerParams, S>(
  recipe: Recipe<P, S>,
  facts: RunFacts,
  initial: Effect.Effect<
    InitialWeights | undefined,
    CheckpointError | UnsafePickle | ConfigInvalid | UnitError,
    CheckpointStore
  >
): Effect.Effect<
  OpenRun<P, S>,
  ConfigInvalid | CheckpointError | UnsafePickle | LogError | UnitError,
  Run | CheckpointStore | Progress | FileSystem.FileSystem | Path.Path | Scope.Scope
> =>
  Effect.gen(function* () {
    const { dir, begin } = yield* Run
    const store = yield* CheckpointStore
    const progress = yield* Progress
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const asked: RunRecord = {
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
    const point = existing && begin !== "fresh" ? yield* store.newestGood(dir, { wanted: recipe.model }) : undefined
    if (begin === "extend" && point === undefined) {
      return yield* invalid("out", `expected a run to extend, found no checkpoint in ${dir}`)
    }
    for (const problem of point?.skipped ?? []) yield* progress.note(`skipped a damaged checkpoint: ${problem.message}`)
    const stored = storedRecord(point?.state)
    const history = point === undefined ? [] : yield* checkSameRun(dir, stored, asked, point.state.step, begin)
    const first = point === undefined ? yield* initial : undefined
    const record: RunRecord = {
      ...asked,
      init: point === undefined ? first?.record ?? null : stored["init"] ?? null,
      history
    }
    if (first !== undefined) yield* progress.note(startingFrom(first.record))
    if (point !== undefined) {
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
    const skips = yield* openSkipRecords(
      path.join(dir, "skipped.jsonl"),
      recipe.config.data.onBadSample,
      point === undefined ? undefined : skippedIn(point.state.extra, facts.dataset.name)
    )
    const cursor = point?.state.cursor ?? { epoch: 0, delivered: 0 }
    const order = watchOrder(recipe.config.data.windowSize, cursor, digestIn(point?.state.extra["window"]))
    const start = point === undefined ? firstPosition(recipe, first?.arrays) : resumedPosition(recipe, point)
    const validated = validatedIn(point?.state)
    const isExtended = history.length > historyOf(stored).length
    const resumed = point === undefined ? undefined : {
      step: point.state.step,
      finished: point.state.finished && !isExtended,
      validatedStep: validated.step,
      folder: point.folder
    }
    return { dir, log, start, resumed, validated, record, skips, order, digestAtStart: order.at(cursor) }
  })
