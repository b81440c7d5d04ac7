import { Effect, FileSystem, type PlatformError, type Scope } from "effect"
import { LogError } from "./errors.ts"
import { type LogEntry, logLine, parseLogLine } from "./logEntry.ts"

/** An open log. */
export interface Log {
  /** Adds a line; it is with the operating system when the effect ends. */
  readonly append: (entry: LogEntry) => Effect.Effect<void, LogError>
}

/** Largest log that is read, in bytes: about a million steps. */
export const maxLogBytes = 400_000_000

/** Opens `log.jsonl` for appending, making it where it is absent, until the scope closes. A resume calls `cutAfter` first. */
export const openLog = (file: string): Effect.Effect<Log, LogError, FileSystem.FileSystem | Scope.Scope> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const handle = yield* fs.open(file, { flag: "a" }).pipe(failing(file, "opened"))
    const encoder = new TextEncoder()
    return { append: (entry) => handle.writeAll(encoder.encode(logLine(entry))).pipe(failing(file, "written")) }
  })

/**
 * All entries of a log. A last line that a killed process left unfinished is passed over; any other line that is no
 * entry fails with LogError.
 */
export const readLog = (file: string): Effect.Effect<ReadonlyArray<LogEntry>, LogError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { size } = yield* fs.stat(file).pipe(failing(file, "read"))
    if (size > BigInt(maxLogBytes)) {
      const message = `${file}: expected a log of at most ${maxLogBytes} bytes, got ${size}; thin it out before reading`
      return yield* new LogError({ reason: "tooLarge", file, message })
    }
    const lines = (yield* fs.readFileString(file).pipe(failing(file, "read"))).split("\n")
    const entries: Array<LogEntry> = []
    for (const [index, line] of lines.entries()) {
      if (line === "") continue
      const entry = parseLogLine(line)
      if (entry !== undefined) entries.push(entry)
      else if (index < lines.length - 1) return yield* brokenLine(file, index + 1, line)
    }
    return entries
  })

/**
 * Drops what was logged after a checkpoint, so that a resumed run goes on from its step: keeps entries up to `step`, and
 * a torn last line goes too. The new log is written beside the old one, synced, and renamed over it. An absent log stays
 * absent. Gives the number of entries that were kept.
 */
export const cutAfter = (file: string, step: number): Effect.Effect<number, LogError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    if (!(yield* fs.exists(file).pipe(failing(file, "found")))) return 0
    // A run from the start keeps nothing, so what an older run left need not even be readable.
    const kept = step < 1 ? [] : (yield* readLog(file)).filter((entry) => entry.step <= step)
    const beside = `${file}.part`
    yield* Effect.scoped(Effect.gen(function* () {
      const handle = yield* fs.open(beside, { flag: "w" })
      yield* handle.writeAll(new TextEncoder().encode(kept.map(logLine).join("")))
      yield* handle.sync
    })).pipe(failing(beside, "written"))
    yield* fs.rename(beside, file).pipe(failing(file, "replaced"))
    return kept.length
  })

const failing =
  (file: string, done: string) =>
  <A, R>(effect: Effect.Effect<A, PlatformError.PlatformError, R>): Effect.Effect<A, LogError, R> =>
    Effect.mapError(effect, (cause) => {
      const message = `${file} could not be ${done}: ${cause.message}; check the path, the rights and the space left`
      return new LogError({ reason: "io", file, cause, message })
    })

const brokenLine = (file: string, line: number, text: string): LogError =>
  new LogError({
    reason: "line",
    file,
    line,
    message: `${file}:${line}: expected a log entry with its ten keys, got ${JSON.stringify(text.slice(0, 60))}; ` +
      "repair or remove the line"
  })
