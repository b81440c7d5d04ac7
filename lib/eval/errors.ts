import { Data } from "effect"
import type { TaggedErrorClass } from "../api/errors.ts"

/** Why a data set cannot be scored. */
export type EvaluationErrorReason = "noSamples" | "label" | "classes" | "templates" | "captions" | "notFinite"

/** The facts: the protocol, the data set, and the key of the sample where one is to blame. */
export interface EvaluationErrorFields {
  readonly reason: EvaluationErrorReason
  readonly protocol: string
  readonly dataset: string
  readonly key?: string
  readonly message: string
}

const EvaluationErrorBase: TaggedErrorClass<"EvaluationError", EvaluationErrorFields> = Data.TaggedError(
  "EvaluationError"
)<EvaluationErrorFields>

/** A data set or a model that a protocol cannot score. `message` says what was expected, what came, what to do. */
export class EvaluationError extends EvaluationErrorBase {}
