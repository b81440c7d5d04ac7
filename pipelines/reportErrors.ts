import { Data } from "effect"
import type { TaggedErrorClass } from "../lib/api/index.ts"

type ReportErrorFields = { readonly file: string; readonly cause?: unknown; readonly message: string }
const ReportErrorBase: TaggedErrorClass<"ReportError", ReportErrorFields> = Data.TaggedError("ReportError")<
  ReportErrorFields
>
/** A run that cannot be reported: a directory that holds none, a file of it that says nothing, a page in the way. */
export class ReportError extends ReportErrorBase {}

/** Why metrics cannot be exported. */
export type MetricsErrorReason = "portInUse" | "listen" | "address"

type MetricsErrorFields = {
  readonly reason: MetricsErrorReason
  /** The port or URL that was asked for. */
  readonly target: string
  readonly message: string
}
const MetricsErrorBase: TaggedErrorClass<"MetricsError", MetricsErrorFields> = Data.TaggedError("MetricsError")<
  MetricsErrorFields
>
/** Metrics cannot be exported as asked. Told before training begins; an exporter that fails later costs a note. */
export class MetricsError extends MetricsErrorBase {}
