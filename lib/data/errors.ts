import { Data } from "effect"
import type { TaggedErrorClass } from "../api/errors.ts"
import type { ImageErrorReason } from "../image/errors.ts"

/**
 * Why a file of a server was not read: `missing` (404, 410), `refused` (any other status that asking again does not
 * change), `server` (408, 425, 429, 5xx), `connection`, `timeout`, `changed` (it is not the file any more whose beginning
 * was read), `redirect` (one that is not followed), `tooLarge`, `protocol` (an answer that contradicts itself), `request`
 * (a URL or header that cannot be sent).
 */
export type DownloadReason =
  | "missing"
  | "refused"
  | "server"
  | "connection"
  | "timeout"
  | "changed"
  | "redirect"
  | "tooLarge"
  | "protocol"
  | "request"

/**
 * The facts: the URL without its secrets, the last attempt (from 1) of those that brought no byte, the status where there
 * was one, the byte up to which the file was read, and whether trying again later may help.
 */
export interface DownloadErrorFields {
  readonly url: string
  readonly reason: DownloadReason
  readonly attempt: number
  readonly status?: number
  readonly offset: number
  readonly canRetry: boolean
  readonly message: string
}

const DownloadErrorBase: TaggedErrorClass<"DownloadError", DownloadErrorFields> = Data.TaggedError("DownloadError")<
  DownloadErrorFields
>

/** A file of a server that was not read. `message` says what was expected, what came, and what to do. */
export class DownloadError extends DownloadErrorBase {}

/**
 * Why a shard, or a set of them, cannot be used: `pattern` (the text that names shards), `missing` and `empty` (no such
 * file, no shards), `io`, `download` (a server; `download` has the facts), `truncated` and `corrupt` (the archive), `sizes` (`sizes.json` or another file beside the
 * shards is wrong, or contradicts a shard), `exists` and `invalidSample` (writing).
 */
export type ShardErrorReason =
  | "pattern"
  | "missing"
  | "empty"
  | "io"
  | "download"
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
  /** What the server did, for a shard of one. */
  readonly download?: DownloadError
  readonly message: string
}

const ShardErrorBase: TaggedErrorClass<"ShardError", ShardErrorFields> = Data.TaggedError("ShardError")<
  ShardErrorFields
>

/** A shard that cannot be read or written. `message` says what was expected, what came, where, and what to do. */
export class ShardError extends ShardErrorBase {}

/**
 * Why one sample cannot be used. `badRow`: the row of the table does not have its columns. `tooManySkipped`: it was one more than the ceiling of the skipping policy allows; the
 * message says what was wrong with it.
 */
export type SampleErrorReason =
  | "missingImage"
  | "missingCaption"
  | "missingLabel"
  | "badImage"
  | "badCaption"
  | "badLabel"
  | "badRow"
  | "tooManyBytes"
  | "tooManySkipped"

/**
 * The facts: where the sample lies (a shard, a table or a folder) and which member or file is at fault; for tables the
 * row (1 is the first after the header) and the column; `image` is the decoder's reason for `badImage`.
 */
export interface SampleErrorFields {
  readonly shard: string
  readonly key: string
  readonly reason: SampleErrorReason
  readonly member?: string
  readonly row?: number
  readonly column?: string
  readonly image?: ImageErrorReason
  readonly message: string
}

const SampleErrorBase: TaggedErrorClass<"SampleError", SampleErrorFields> = Data.TaggedError("SampleError")<
  SampleErrorFields
>

/** A sample of a readable shard that cannot be used. `message` says what was expected, what came, and what to do. */
export class SampleError extends SampleErrorBase {}

/**
 * Why a table cannot be used: `missing` and `io` (the file), `empty` (no rows), `format` (not what its ending says),
 * `columns` (those for pictures and captions are not there), `quoting` (a quote that is not closed), `tooLong` (a row or
 * the whole above its cap), `codec` (a compression that nothing here unpacks), `changed` (not what it was when opened).
 */
export type TableErrorReason =
  | "missing"
  | "io"
  | "empty"
  | "format"
  | "columns"
  | "quoting"
  | "tooLong"
  | "codec"
  | "changed"

/** The facts: the table, and the line of text where it is known. */
export interface TableErrorFields {
  readonly file: string
  readonly reason: TableErrorReason
  readonly line?: number
  readonly message: string
}

const TableErrorBase: TaggedErrorClass<"TableError", TableErrorFields> = Data.TaggedError("TableError")<
  TableErrorFields
>

/** A table of pairs that cannot be read. `message` says what was expected, what came, where, and what to do. */
export class TableError extends TableErrorBase {}

/**
 * Why a folder of pictures cannot be used: `missing` and `io`, `captions` (no file of captions was recognised),
 * `classes` (no class folders), `names` (a file of class names or templates that does not fit).
 */
export type FolderErrorReason = "missing" | "io" | "captions" | "classes" | "names"

/** The facts: the folder, or the file in it. */
export interface FolderErrorFields {
  readonly folder: string
  readonly reason: FolderErrorReason
  readonly message: string
}

const FolderErrorBase: TaggedErrorClass<"FolderError", FolderErrorFields> = Data.TaggedError("FolderError")<
  FolderErrorFields
>

/** A folder of pictures that cannot be used. `message` says what was looked for, what was found, and what to do. */
export class FolderError extends FolderErrorBase {}

/** The facts: which data set was mixed under a wrong number of samples. */
export interface SizeErrorFields {
  readonly dataset: string
  readonly numSamples: number
  readonly epoch: number
  readonly message: string
}

const SizeErrorBase: TaggedErrorClass<"SizeError", SizeErrorFields> = Data.TaggedError("SizeError")<SizeErrorFields>

/** A part of a mixture does not have the `numSamples` that it says, so that no order can be kept. */
export class SizeError extends SizeErrorBase {}

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
