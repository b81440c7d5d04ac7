import { Data } from "effect"
import type { TaggedErrorClass } from "../lib/api/index.ts"

type ConfigInvalidFields = {
  /** Path of each wrong field, and what is wrong with it. */
  readonly issues: ReadonlyArray<{ readonly path: string; readonly message: string }>
  readonly message: string
}
const ConfigInvalidBase: TaggedErrorClass<"ConfigInvalid", ConfigInvalidFields> = Data.TaggedError("ConfigInvalid")<
  ConfigInvalidFields
>
/** A configuration that cannot be used: wrong or unknown fields, or values that do not fit each other. */
export class ConfigInvalid extends ConfigInvalidBase {}

/** A ConfigInvalid with one issue. */
export const invalid = (path: string, message: string): ConfigInvalid =>
  new ConfigInvalid({ issues: [{ path, message }], message: `${path}: ${message}` })

type NonFiniteLossFields = {
  readonly step: number
  readonly loss: number
  readonly gradNorm: number
  readonly lastFiniteStep: number
  /** Where the last finite state was saved. */
  readonly savedAt: string
  readonly message: string
}
const NonFiniteLossBase: TaggedErrorClass<"NonFiniteLoss", NonFiniteLossFields> = Data.TaggedError("NonFiniteLoss")<
  NonFiniteLossFields
>
/** The loss or the gradient of a step is not finite; nothing of that step was written, the state before it was saved. */
export class NonFiniteLoss extends NonFiniteLossBase {}

type MemoryShortFields = {
  /** What the run would take, and what it may take, in bytes; infinite where one tensor alone is too large. */
  readonly predictedBytes: number
  readonly availableBytes: number
  /** The largest micro-batch that fits; undefined where none does. */
  readonly microBatch: number | undefined
  readonly message: string
}
const MemoryShortBase: TaggedErrorClass<"MemoryShort", MemoryShortFields> = Data.TaggedError("MemoryShort")<
  MemoryShortFields
>
/** A run that the machine's memory would not hold; nothing was begun. `message` says what takes it and what would fit. */
export class MemoryShort extends MemoryShortBase {}

type WidthMismatchFields = {
  readonly dataset: string
  /** The joint width of the model. */
  readonly expected: number
  /** The width of the cached embeddings; 0 where a picture has none. */
  readonly found: number
  readonly message: string
}
const WidthMismatchBase: TaggedErrorClass<"WidthMismatch", WidthMismatchFields> = Data.TaggedError("WidthMismatch")<
  WidthMismatchFields
>
/** Cached embeddings have another width than the model that is asked; a compile error where both widths are literals. */
export class WidthMismatch extends WidthMismatchBase {}

type DataChangedFields = {
  readonly dataset: string
  readonly epoch: number
  /** The place in the epoch from which the run should go on. */
  readonly delivered: number
  readonly message: string
}
const DataChangedBase: TaggedErrorClass<"DataChanged", DataChangedFields> = Data.TaggedError("DataChanged")<
  DataChangedFields
>
/** A resumed run does not find the samples that it had used of the window in which it stopped. */
export class DataChanged extends DataChangedBase {}
