import { Data } from "effect"
import type { TaggedErrorClass } from "../api/errors.ts"
import type { ImageErrorReason } from "../image/errors.ts"

/**
 * Why a shard, or a set of them, cannot be used: `pattern` (the text that names shards), `missing` and `empty` (no such
 * file, no shards), `io`, `truncated` and `corrupt` (the archive), `sizes` (`sizes.json` or another file beside the
 * shards is wrong, or contradicts a shard), `exists` and `invalidSample` (writing).
 */
export type ShardErrorReason =
  | "pattern"
  | "missing"
  | "empty"
  | "io"
  | "truncated"
  | "corrupt"
  | "sizes"
  | "exists"
  | "invalidSample"

/** The facts: the shard's path (or the text that names shards), the member and the byte it was read to, where known. */
export interface ShardErrorFields {
  readonly shard: string
  readonly reason: ShardErrorReason
  readonly member?: string
  readonly offset?: number
  readonly message: string
}

const ShardErrorBase: TaggedErrorClass<"ShardError", ShardErrorFields> = Data.TaggedError("ShardError")<
  ShardErrorFields
>

/** A shard that cannot be read or written. `message` says what was expected, what came, where, and what to do. */
export class ShardError extends ShardErrorBase {}

/**
 * Why one sample cannot be used. `tooManySkipped`: it was one more than the ceiling of the skipping policy allows; the
 * message says what was wrong with it.
 */
export type SampleErrorReason =
  | "missingImage"
  | "missingCaption"
  | "missingLabel"
  | "badImage"
  | "badCaption"
  | "badLabel"
  | "tooManyBytes"
  | "tooManySkipped"

/** The facts: where the sample lies and which member is at fault; `image` is the decoder's reason for `badImage`. */
export interface SampleErrorFields {
  readonly shard: string
  readonly key: string
  readonly reason: SampleErrorReason
  readonly member?: string
  readonly image?: ImageErrorReason
  readonly message: string
}

const SampleErrorBase: TaggedErrorClass<"SampleError", SampleErrorFields> = Data.TaggedError("SampleError")<
  SampleErrorFields
>

/** A sample of a readable shard that cannot be used. `message` says what was expected, what came, and what to do. */
export class SampleError extends SampleErrorBase {}

/** The facts: the data set and the environment variable that must name it. */
export interface DataMissingFields {
  readonly dataset: string
  readonly variable: string
  readonly message: string
}

const DataMissingBase: TaggedErrorClass<"DataMissing", DataMissingFields> = Data.TaggedError("DataMissing")<
  DataMissingFields
>

/** A preset's shards were not named. `message` says how to get them and where to name them. */
export class DataMissing extends DataMissingBase {}

/** The facts: which epoch of which data set, how many samples it gave, how many a batch needs. */
export interface EpochTooSmallFields {
  readonly dataset: string
  readonly epoch: number
  readonly numSamples: number
  readonly batchSize: number
  readonly message: string
}

const EpochTooSmallBase: TaggedErrorClass<"EpochTooSmall", EpochTooSmallFields> = Data.TaggedError("EpochTooSmall")<
  EpochTooSmallFields
>

/** A whole epoch gave fewer batches than are needed: with none, asking for the next one would never end. */
export class EpochTooSmall extends EpochTooSmallBase {}
