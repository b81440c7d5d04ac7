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

/** What of a pickle was refused: `refused` names the opcode, the global, or the call, as in `global os.system`. */
export interface UnsafePickleFields {
  readonly file: string
  readonly refused: string
  /** The byte of the pickle at which it stands. */
  readonly offset: number
  readonly message: string
}

const UnsafePickleBase: TaggedErrorClass<"UnsafePickle", UnsafePickleFields> = Data.TaggedError("UnsafePickle")<
  UnsafePickleFields
>

/** A pickle that asks for more than data. Nothing of it was run; nothing ever is. */
export class UnsafePickle extends UnsafePickleBase {}

/** The error of a refusal. */
export const unsafePickle = (file: string, refused: string, offset: number): UnsafePickle =>
  new UnsafePickle({
    file,
    refused,
    offset,
    message:
      `${file}: expected a pickle of tensors and plain values, found ${refused} at byte ${offset} of it: nothing ` +
      "was run; do not open the file elsewhere unless you trust who made it"
  })
