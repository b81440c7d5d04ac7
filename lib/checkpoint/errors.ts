import { Data } from "effect"
import type { TaggedErrorClass } from "../api/errors.ts"

/**
 * Why a checkpoint was not read or written:
 * - `missing`: no file, folder or checkpoint where one was asked for; `tooLarge`: above `maxBytes`; `read`, `write`: the
 *   file system refused;
 * - `malformed`: not what its name says; `unsupported`: another format, dtype or version; `checksum`: changed since it
 *   was written;
 * - `missingTensor`, `unexpectedTensor`, `shape`, `dtype`, `nonFinite`: the named tensor;
 * - `unknownModel`: the file does not say which model it is of; `otherModel`: it is of another one than was wanted.
 */
export type CheckpointErrorReason =
  | "missing"
  | "tooLarge"
  | "read"
  | "write"
  | "malformed"
  | "unsupported"
  | "checksum"
  | "missingTensor"
  | "unexpectedTensor"
  | "shape"
  | "dtype"
  | "nonFinite"
  | "unknownModel"
  | "otherModel"

/** The facts. `stillGood` is the newest checkpoint of the run that was verified after the failure, where one was sought. */
export interface CheckpointErrorFields {
  readonly reason: CheckpointErrorReason
  readonly file: string
  readonly tensor?: string
  readonly expected?: string
  readonly found?: string
  readonly stillGood?: string
  readonly message: string
}

const CheckpointErrorBase: TaggedErrorClass<"CheckpointError", CheckpointErrorFields> = Data.TaggedError(
  "CheckpointError"
)<CheckpointErrorFields>

/** A checkpoint that cannot be read or written. `message` says what was expected, what came, where, and what to do. */
export class CheckpointError extends CheckpointErrorBase {}

/** What a failure is about, before it is put into a sentence. */
export interface CheckpointProblem {
  readonly reason: CheckpointErrorReason
  readonly file: string
  readonly tensor?: string
  readonly expected: string
  readonly found: string
  readonly stillGood?: string
  /** What the reader of the message can do. */
  readonly advice: string
}

/** The error of a problem: `FILE, tensor NAME: expected …, found …: advice`. */
export const checkpointError = ({ advice, ...facts }: CheckpointProblem): CheckpointError => {
  const where = facts.tensor === undefined ? facts.file : `${facts.file}, tensor ${facts.tensor}`
  return new CheckpointError({
    ...facts,
    message: `${where}: expected ${facts.expected}, found ${facts.found}: ${advice}`
  })
}
