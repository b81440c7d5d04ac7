import { Effect, FileSystem, Path } from "effect"
import type { PlatformError } from "effect"
import {
  type ComparedRow,
  type ComparedRun,
  finalRows,
  isRunPage,
  type LogError,
  readLog,
  readSessions,
  readValidation,
  renderComparison,
  renderRunReport,
  type RunReport,
  type RunSummary,
  secondsOf,
  statusOf,
  summarize,
  uniqueNames
} from "../lib/track/index.ts"
import { type AnyRecord, isRecord } from "./record.ts"
import { ReportError } from "./reportErrors.ts"
import { environmentOf, factsOf } from "./reportFacts.ts"
import { writeBeside } from "./writeBeside.ts"

/** What reading and writing reports needs. */
export type ReportServices = FileSystem.FileSystem | Path.Path

/** How it fails: no run there, a file that says nothing, a line of a log that is damaged. */
export type ReportFailure = ReportError | LogError

const cannot = (file: string, done: string) => (cause: PlatformError.PlatformError): ReportError =>
  new ReportError({
    file,
    cause,
    message: `${file} could not be ${done}: ${cause.message}; check the path and its rights`
  })

/** A JSON file of a run; undefined where there is none. */
const readRecord = (file: string): Effect.Effect<AnyRecord | undefined, ReportError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    if (!(yield* Effect.mapError(fs.exists(file), cannot(file, "found")))) return undefined
    const text = yield* Effect.mapError(fs.readFileString(file), cannot(file, "read"))
    const found = yield* Effect.try({
      try: (): unknown => JSON.parse(text),
      catch: (cause) => new ReportError({ file, cause, message: `${file}: expected JSON, found text that is none` })
    })
    if (isRecord(found)) return found
    return yield* new ReportError({ file, message: `${file}: expected an object, found ${text.slice(0, 60)}` })
  })

/** The newest checkpoint of a run: its folder and state. */
const newestCheckpoint = (
  dir: string
): Effect.Effect<{ readonly folder: string; readonly state: AnyRecord } | undefined, ReportError, ReportServices> =>
  Effect.gen(function* () {
    const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
    const all = path.join(dir, "checkpoints")
    if (!(yield* Effect.mapError(fs.exists(all), cannot(all, "found")))) return undefined
    const steps = (yield* Effect.mapError(fs.readDirectory(all), cannot(all, "read")))
      .flatMap((name) => /^step-\d+$/.test(name) ? [Number(name.slice(5))] : [])
      .sort((a, b) => b - a)
    for (const step of steps) {
      const folder = path.join(all, `step-${step}`)
      // A checkpoint without a readable state is not whole; an older one still tells what is asked here.
      const state = yield* Effect.option(readRecord(path.join(folder, "state.json")))
      if (state._tag === "Some" && state.value !== undefined) return { folder, state: state.value }
    }
    return undefined
  })

const numberOf = (value: unknown, fallback: number): number =>
  typeof value === "number" && Number.isFinite(value) ? value : fallback

/** Samples that were skipped; a run that skipped none has no such file. */
const numSkippedIn = (file: string): Effect.Effect<number, ReportError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    if (!(yield* Effect.mapError(fs.exists(file), cannot(file, "found")))) return 0
    return (yield* Effect.mapError(fs.readFileString(file), cannot(file, "read"))).split("\n").length - 1
  })

/**
 * All that a run directory says of a run, finished or not, of this version or an older one without sessions. Fails with
 * ReportError where it holds no run, with LogError at a damaged line.
 */
export const readRun = (dir: string): Effect.Effect<RunReport, ReportFailure, ReportServices> =>
  Effect.gen(function* () {
    const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
    const config = yield* readRecord(path.join(dir, "config.json"))
    if (config === undefined) {
      const message = `${dir}: expected a run directory, found no config.json in it: name the --out of a training`
      return yield* new ReportError({ file: dir, message })
    }
    const logFile = path.join(dir, "log.jsonl")
    const hasLog = yield* Effect.mapError(fs.exists(logFile), cannot(logFile, "found"))
    const log = hasLog ? yield* readLog(logFile) : []
    const validation = yield* readValidation(logFile)
    const sessions = yield* readSessions(path.join(dir, "sessions.jsonl"))
    const checkpoint = yield* newestCheckpoint(dir)
    const numSkipped = yield* numSkippedIn(path.join(dir, "skipped.jsonl"))

    const train = isRecord(config["train"]) ? config["train"] : {}
    const batchSize = numberOf(train["batchSize"], NaN)
    const pairsPerStep = batchSize * numberOf(train["updateFreq"], 1)
    const seconds = secondsOf(sessions, log, pairsPerStep)
    const isFinished = checkpoint?.state["finished"] === true
    const summary = summarize(log, validation, {
      status: statusOf(sessions) ?? (isFinished ? "finished" : "unfinished"),
      totalSteps: numberOf(config["steps"], log.at(-1)?.step ?? 0),
      pairsPerStep,
      report: path.join(dir, "report.html"),
      numSkipped,
      ...(seconds === undefined ? {} : { seconds }),
      ...(checkpoint === undefined ? {} : { checkpoint: checkpoint.folder })
    })
    return {
      name: path.basename(path.resolve(dir)),
      summary,
      log,
      validation,
      ...(batchSize > 1 ? { lossOfChance: Math.log(batchSize) } : {}),
      facts: factsOf(config, sessions),
      environment: environmentOf(sessions, checkpoint?.state),
      config
    }
  })

/**
 * Makes `report.html` of a run directory, or `out`, from what lies there, and gives the summary with the page's place.
 * Replaces earlier reports only, unless it may replace any file.
 */
export const writeReport = (
  dir: string,
  { out, over = "reports" }: { readonly out?: string; readonly over?: "reports" | "any" } = {}
): Effect.Effect<RunSummary & { readonly report: string }, ReportFailure, ReportServices> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const report = out ?? path.join(dir, "report.html")
    const run = yield* readRun(dir)
    const summary = { ...run.summary, report }
    yield* writePage(report, renderRunReport({ ...run, summary }), over)
    return summary
  })

/** Lays runs side by side on one page, and gives the figures they ended with. Differences are to the first. */
export const compareRuns = (
  dirs: ReadonlyArray<string>,
  out: string
): Effect.Effect<
  { readonly names: ReadonlyArray<string>; readonly rows: ReadonlyArray<ComparedRow> },
  ReportFailure,
  ReportServices
> =>
  Effect.gen(function* () {
    const found = yield* Effect.forEach(dirs, readRun)
    const names = uniqueNames(found.map(({ name }) => name))
    const runs = found.map((run, i): ComparedRun => ({ ...run, name: names[i] ?? run.name }))
    yield* writePage(out, renderComparison(runs), "reports")
    return { names, rows: finalRows(runs) }
  })

/** Writes a page; refuses to replace one that was not made here, such as the demo's richer one. */
const writePage = (
  file: string,
  page: string,
  over: "reports" | "any"
): Effect.Effect<void, ReportError, ReportServices> =>
  Effect.gen(function* () {
    const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
    if (over === "reports" && (yield* Effect.mapError(fs.exists(file), cannot(file, "found")))) {
      const there = yield* Effect.mapError(fs.readFileString(file), cannot(file, "read"))
      if (!isRunPage(there)) {
        const message = `${file}: expected no file or a page of an earlier report, found something else: ` +
          "name another place with --out"
        return yield* new ReportError({ file, message })
      }
    }
    yield* fs.makeDirectory(path.dirname(file), { recursive: true }).pipe(
      Effect.andThen(writeBeside(file, page)),
      Effect.mapError(cannot(file, "written"))
    )
  })
