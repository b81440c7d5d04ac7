import { Data } from "effect"
import type { TaggedErrorClass } from "../api/errors.ts"

/** Why a log cannot be written or read. */
export type LogErrorReason = "io" | "line" | "tooLarge"

/** The facts: the file, the line (from 1) where one is to blame, and what the file system said. */
export interface LogErrorFields {
  readonly reason: LogErrorReason
  readonly file: string
  readonly line?: number
  readonly cause?: unknown
  readonly message: string
}

const LogErrorBase: TaggedErrorClass<"LogError", LogErrorFields> = Data.TaggedError("LogError")<LogErrorFields>

/** A training log that cannot be written or read. `message` says what was expected, what came, and what to do. */
export class LogError extends LogErrorBase {}
