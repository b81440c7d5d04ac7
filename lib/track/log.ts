import { Effect, FileSystem, type PlatformError, type Scope } from "effect"
import { LogError } from "./errors.ts"
import { type LogEntry, logLine, parseLogLine } from "./logEntry.ts"
import { parseValidationLine, type ValidationEntry, validationLine } from "./validationEntry.ts"

/*
 * Two files tell how training went, side by side:
 *
 * - `log.jsonl`: a line a step, exactly the ten keys of `LogEntry`;
 * - `validation.jsonl`: a line each time that an evaluator was asked while training went on, a `ValidationEntry`. It is
 *   made with its first line, so a run without `validate` has none.
 *
 * Training opens both with `openLog("RUN/log.jsonl")` and calls `log.append(entry)` after a step and
 * `log.appendValidation(entry)` after a validation (then `Progress.validated(entry)` shows it). `cutAfter` cuts both on a
 * resume; `readLog` and `readValidation` read them, both by the name of `log.jsonl`.
 */

/** An open log. */
export interface Log {
  /** Adds a line; it is with the operating system when the effect ends. */
  readonly append: (entry: LogEntry) => Effect.Effect<void, LogError>
  /** Adds a line to `validation.jsonl` beside the log, likewise. */
  readonly appendValidation: (entry: ValidationEntry) => Effect.Effect<void, LogError>
}

/** Largest log that is read, in bytes: about a million steps. */
export const maxLogBytes = 400_000_000

/** `validation.jsonl` beside a log. */
export const validationFileOf = (logFile: string): string => logFile.replace(/[^/\\]*$/, "validation.jsonl")

/** Opens `log.jsonl` for appending, making it where it is absent, until the scope closes. A resume calls `cutAfter` first. */
export const openLog = (file: string): Effect.Effect<Log, LogError, FileSystem.FileSystem | Scope.Scope> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const handle = yield* fs.open(file, { flag: "a" }).pipe(failing(file, "opened"))
    const encoder = new TextEncoder()
    const beside = validationFileOf(file)
    return {
      append: (entry) => handle.writeAll(encoder.encode(logLine(entry))).pipe(failing(file, "written")),
      // Validations are rare: opening for each leaves no empty file behind where there is none.
      appendValidation: (entry) =>
        fs.writeFileString(beside, validationLine(entry), { flag: "a" }).pipe(failing(beside, "written"))
    }
  })

/**
 * All entries of a log. A last line that a killed process left unfinished is passed over; any other line that is no
 * entry fails with LogError.
 */
export const readLog = (file: string): Effect.Effect<ReadonlyArray<LogEntry>, LogError, FileSystem.FileSystem> =>
  readLines(file, parseLogLine, "a log entry with its ten keys")

/**
 * All validations of a run, by the name of its `log.jsonl`; none where the run has no `validation.jsonl`. Torn and damaged
 * lines are treated as `readLog` does.
 */
export const readValidation = (
  logFile: string
): Effect.Effect<ReadonlyArray<ValidationEntry>, LogError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const file = validationFileOf(logFile)
    if (!(yield* fs.exists(file).pipe(failing(file, "found")))) return []
    return yield* readLines(file, parseValidationLine, "a validation with its eight keys")
  })

/**
 * Drops what was logged after a checkpoint, validations too, so that a resumed run goes on from its step: keeps entries up
 * to `step`, and a torn last line goes too. Each new file is written beside the old one, synced, and renamed over it. What
 * is absent stays absent. Gives the number of steps' entries that were kept.
 */
export const cutAfter = (file: string, step: number): Effect.Effect<number, LogError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    yield* cutFile(validationFileOf(file), step, () => readValidation(file), validationLine)
    return yield* cutFile(file, step, () => readLog(file), logLine)
  })

const cutFile = <Entry extends { readonly step: number }>(
  file: string,
  step: number,
  read: () => Effect.Effect<ReadonlyArray<Entry>, LogError, FileSystem.FileSystem>,
  lineOf: (entry: Entry) => string
): Effect.Effect<number, LogError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    if (!(yield* fs.exists(file).pipe(failing(file, "found")))) return 0
    // A run from the start keeps nothing, so what an older run left need not even be readable.
    const kept = step < 1 ? [] : (yield* read()).filter((entry) => entry.step <= step)
    const beside = `${file}.part`
    yield* Effect.scoped(Effect.gen(function* () {
      const handle = yield* fs.open(beside, { flag: "w" })
      yield* handle.writeAll(new TextEncoder().encode(kept.map(lineOf).join("")))
      yield* handle.sync
    })).pipe(failing(beside, "written"))
    yield* fs.rename(beside, file).pipe(failing(file, "replaced"))
    return kept.length
  })

/**
 * Every line of a file of one kind. A last line that is torn is passed over; any other that does not parse fails with
 * LogError, which names it.
 */
export const readLines = <Entry>(
  file: string,
  parse: (line: string) => Entry | undefined,
  expected: string
): Effect.Effect<ReadonlyArray<Entry>, LogError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { size } = yield* fs.stat(file).pipe(failing(file, "read"))
    if (size > BigInt(maxLogBytes)) {
      const message = `${file}: expected a log of at most ${maxLogBytes} bytes, got ${size}; thin it out before reading`
      return yield* new LogError({ reason: "tooLarge", file, message })
    }
    const lines = (yield* fs.readFileString(file).pipe(failing(file, "read"))).split("\n")
    const entries: Array<Entry> = []
    for (const [index, line] of lines.entries()) {
      if (line === "") continue
      const entry = parse(line)
      if (entry !== undefined) entries.push(entry)
      else if (index < lines.length - 1) return yield* brokenLine(file, index + 1, line, expected)
    }
    return entries
  })

/** Turns a failed access to a log into a LogError: `file` could not be `done`. */
export const failing =
  (file: string, done: string) =>
  <A, R>(effect: Effect.Effect<A, PlatformError.PlatformError, R>): Effect.Effect<A, LogError, R> =>
    Effect.mapError(effect, (cause) => {
      const message = `${file} could not be ${done}: ${cause.message}; check the path, the rights and the space left`
      return new LogError({ reason: "io", file, cause, message })
    })

const brokenLine = (file: string, line: number, text: string, expected: string): LogError =>
  new LogError({
    reason: "line",
    file,
    line,
    message: `${file}:${line}: expected ${expected}, got ${JSON.stringify(text.slice(0, 60))}; ` +
      "repair or remove the line"
  })
