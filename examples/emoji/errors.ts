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
