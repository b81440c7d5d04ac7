import { Cause, Clock, Effect, Exit, FileSystem, Path } from "effect"
import type { CheckpointStoreShape } from "../lib/checkpoint/index.ts"
import {
  beginSession,
  endSession,
  type LogEntry,
  type LogError,
  Progress,
  type ProgressShape,
  type SessionEnd
} from "../lib/track/index.ts"
import { recordSkipped, recordStep, recordValidation } from "./metrics.ts"
import { writeReport } from "./report.ts"
import { CommandLine } from "./reportCommand.ts"
import { version } from "./version.ts"

/** What a tracker tells of: a run that was opened, and what is not in its `config.json`. */
export interface Tracked {
  readonly dir: string
  /** Steps that are done when training begins. */
  readonly begin: number
  readonly totalSteps: number
  readonly pairsPerStep: number
  readonly numParameters: number
  readonly numSamples: number | undefined
  readonly backend: { readonly path: string; readonly announcement: string }
  /** Samples that were skipped so far, those of earlier sessions among them. */
  readonly numSkipped: () => number
}

/** Follows a run: progress, metrics, sessions, and at its end the page and the summary. */
export interface Tracker {
  /** Tells of a step that is done. */
  readonly step: (entry: LogEntry) => Effect.Effect<void>
  /** The caller's progress, with what validations found counted among the metrics. */
  readonly progress: ProgressShape
  /** A store that tells of each checkpoint that it has saved. */
  readonly telling: (store: CheckpointStoreShape) => CheckpointStoreShape
  /**
   * Ends the session: writes `report.html` and shows the summary. It never fails, so that it never takes the place of how
   * training ended; a page that cannot be written is a note.
   */
  readonly end: (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>
}

/** Begins to follow a run whose directory is open. */
export const openTracker = (
  run: Tracked
): Effect.Effect<Tracker, LogError, Progress | FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const progress = yield* Progress
    const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
    const file = path.join(run.dir, "sessions.jsonl")
    const { backend, numParameters, numSamples } = run
    yield* beginSession(file, {
      atMs: yield* Clock.currentTimeMillis,
      step: run.begin,
      command: yield* CommandLine,
      library: version,
      runtime: globalThis.navigator?.userAgent ?? "unknown",
      enginePath: backend.path,
      engine: backend.announcement,
      numParameters,
      numSamples: numSamples ?? null
    }, run.begin === 0)
    let [lastStep, numSkipped] = [run.begin, run.numSkipped()]

    const end = (status: SessionEnd["status"]) =>
      Effect.gen(function* () {
        yield* endSession(file, { atMs: yield* Clock.currentTimeMillis, step: lastStep, status })
        yield* progress.ended(yield* writeReport(run.dir, { over: "any" }))
      }).pipe(
        Effect.catchTags({
          LogError: ({ message }) => progress.note(`the report was not written: ${message}`),
          ReportError: ({ message }) => progress.note(`the report was not written: ${message}`)
        }),
        Effect.provideService(FileSystem.FileSystem, fs),
        Effect.provideService(Path.Path, path)
      )
    return {
      step: (entry) =>
        Effect.gen(function* () {
          lastStep = entry.step
          const { step, loss, pairsPerSecond } = entry
          yield* progress.step({ step, totalSteps: run.totalSteps, loss, pairsPerSecond, entry })
          yield* recordStep(entry, run.pairsPerStep)
          const skipped = run.numSkipped()
          if (skipped > numSkipped) yield* recordSkipped(skipped - numSkipped)
          numSkipped = skipped
        }),
      progress: {
        ...progress,
        validated: (entry) => Effect.andThen(progress.validated(entry), recordValidation(entry))
      },
      telling: (store) => ({
        ...store,
        save: (dir, run) => Effect.tap(store.save(dir, run), ({ folder }) => progress.saved(run.state.step, folder))
      }),
      end: (exit) => end(Exit.isSuccess(exit) ? "finished" : Cause.hasInterruptsOnly(exit.cause) ? "stopped" : "failed")
    }
  })
