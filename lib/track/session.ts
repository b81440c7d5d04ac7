import { Effect, FileSystem } from "effect"
import type { LogError } from "./errors.ts"
import { parseJson, recordOf } from "./json.ts"
import { failing, readLines } from "./log.ts"
import { type RunStatus, secondsInSteps } from "./summary.ts"
import type { LogEntry } from "./logEntry.ts"

/** One process that worked on a run: how it began and, unless it was killed, how it ended. Times are in ms since 1970. */
export interface Session {
  readonly begin: SessionBegin
  readonly end?: SessionEnd
}

/** The first of a session's two lines in `sessions.jsonl`. */
export interface SessionBegin {
  readonly atMs: number
  /** Steps that were done when it began. */
  readonly step: number
  /** The command line; empty where the run was started from a program. */
  readonly command: string
  readonly library: string
  readonly runtime: string
  readonly enginePath: string
  /** What the engine says of itself. */
  readonly engine: string
  readonly numParameters: number
  /** Samples in the data set, null where it does not know. */
  readonly numSamples: number | null
}

/** The second line. */
export interface SessionEnd {
  readonly atMs: number
  readonly step: number
  readonly status: Exclude<RunStatus, "unfinished">
}

/** Writes that a session begins. The first session of a run replaces what an older run has left. */
export const beginSession = (
  file: string,
  begin: SessionBegin,
  isFirst: boolean
): Effect.Effect<void, LogError, FileSystem.FileSystem> =>
  writeLine(file, { type: "begin", ...begin }, isFirst ? "w" : "a")

/** Writes how a session ended. */
export const endSession = (file: string, end: SessionEnd): Effect.Effect<void, LogError, FileSystem.FileSystem> =>
  writeLine(file, { type: "end", ...end }, "a")

const writeLine = (file: string, line: object, flag: "w" | "a"): Effect.Effect<void, LogError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    // The line before may be torn, if its process was killed while writing: a line of its own keeps this one whole.
    const isTorn = flag === "a" && (yield* fs.exists(file)) && !(yield* fs.readFileString(file)).endsWith("\n")
    yield* fs.writeFileString(file, `${isTorn ? "\n" : ""}${JSON.stringify(line)}\n`, { flag })
  }).pipe(failing(file, "written"))

/** The sessions of a run in their order; none where there is no such file. Torn lines are passed over. */
export const readSessions = (file: string): Effect.Effect<ReadonlyArray<Session>, LogError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    if (!(yield* fs.exists(file).pipe(failing(file, "found")))) return []
    const sessions: Array<Session> = []
    for (const line of yield* readLines(file, parseSessionLine, "the begin or the end of a session")) {
      const last = sessions.at(-1)
      if (line.type === "begin") sessions.push({ begin: line.begin })
      else if (line.type === "end" && last !== undefined) sessions[sessions.length - 1] = { ...last, end: line.end }
    }
    return sessions
  })

type SessionLine =
  | { readonly type: "begin"; readonly begin: SessionBegin }
  | { readonly type: "end"; readonly end: SessionEnd }
  | { readonly type: "torn" }

const parseSessionLine = (line: string): SessionLine | undefined => {
  const json = parseJson(line)
  // A process that was killed leaves the beginning of a line; the next session begins on a line of its own.
  if (json === undefined) return line.startsWith('{"type":"') ? { type: "torn" } : undefined
  const found = recordOf(json)
  const { type, atMs, step } = found ?? {}
  if (found === undefined || typeof atMs !== "number" || typeof step !== "number") return undefined
  if (type === "end") {
    const status = statuses.find((one) => one === found["status"])
    return status === undefined ? undefined : { type, end: { atMs, step, status } }
  }
  if (type !== "begin") return undefined
  const { command, library, runtime, enginePath, engine, numParameters, numSamples } = found
  if (typeof command !== "string" || typeof library !== "string" || typeof runtime !== "string") return undefined
  if (typeof enginePath !== "string" || typeof engine !== "string" || typeof numParameters !== "number") {
    return undefined
  }
  if (typeof numSamples !== "number" && numSamples !== null) return undefined
  return { type, begin: { atMs, step, command, library, runtime, enginePath, engine, numParameters, numSamples } }
}

const statuses = ["finished", "stopped", "failed"] as const

/** How a run stands by its sessions; undefined where there are none. */
export const statusOf = (sessions: ReadonlyArray<Session>): RunStatus | undefined => {
  const last = sessions.at(-1)
  return last === undefined ? undefined : last.end?.status ?? "unfinished"
}

/** How long the sessions took; one without an end counts what the log's steps since its begin took. */
export const secondsOf = (
  sessions: ReadonlyArray<Session>,
  log: ReadonlyArray<LogEntry>,
  pairsPerStep: number
): number | undefined => {
  if (sessions.length === 0) return undefined
  return sessions.reduce((sum, { begin, end }, i) => {
    if (end !== undefined) return sum + (end.atMs - begin.atMs) / 1000
    const until = sessions[i + 1]?.begin.step ?? Infinity
    const own = log.filter(({ step }) => step > begin.step && step <= until)
    return sum + secondsInSteps(own, pairsPerStep, begin.step)
  }, 0)
}
