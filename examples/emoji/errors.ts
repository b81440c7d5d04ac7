import { Data } from "effect"
import type { Cause } from "effect"

type ArtErrorFields = {
  readonly reason: "missing" | "unreadable"
  /** The npm package that holds the art. */
  readonly package: string
  readonly message: string
}
type ArtErrorBase = new (
  fields: ArtErrorFields
) => Cause.YieldableError & { readonly _tag: "ArtError" } & ArtErrorFields
const ArtErrorBase: ArtErrorBase = Data.TaggedError("ArtError")<ArtErrorFields>
/** An art package that is not installed, or not laid out as the pinned version is. */
export class ArtError extends ArtErrorBase {}

type OutErrorFields = { readonly out: string; readonly message: string }
type OutErrorBase = new (
  fields: OutErrorFields
) => Cause.YieldableError & { readonly _tag: "OutError" } & OutErrorFields
const OutErrorBase: OutErrorBase = Data.TaggedError("OutError")<OutErrorFields>
/** An output directory with files that the demo did not write and would have to delete. */
export class OutError extends OutErrorBase {}

type NotLearnedFields = { readonly found: number; readonly expected: number; readonly message: string }
type NotLearnedBase = new (
  fields: NotLearnedFields
) => Cause.YieldableError & { readonly _tag: "NotLearned" } & NotLearnedFields
const NotLearnedBase: NotLearnedBase = Data.TaggedError("NotLearned")<NotLearnedFields>
/** A whole run whose model is hardly better than a guess on the unseen artist. */
export class NotLearned extends NotLearnedBase {}
