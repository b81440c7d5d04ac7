import { Data } from "effect"
import type { TaggedErrorClass } from "../../lib/api/index.ts"

type CheckFailedFields = { readonly message: string }
const CheckFailedBase: TaggedErrorClass<"CheckFailed", CheckFailedFields> = Data.TaggedError("CheckFailed")<
  CheckFailedFields
>
/** A check that the command makes did not pass; what failed is on stdout already. */
export class CheckFailed extends CheckFailedBase {}

type InputErrorFields = { readonly file: string; readonly message: string }
const InputErrorBase: TaggedErrorClass<"InputError", InputErrorFields> = Data.TaggedError("InputError")<
  InputErrorFields
>
/** A file or directory that a command was pointed at and cannot use. */
export class InputError extends InputErrorBase {}

type OutputErrorFields = { readonly message: string }
const OutputErrorBase: TaggedErrorClass<"OutputError", OutputErrorFields> = Data.TaggedError("OutputError")<
  OutputErrorFields
>
/** A file that a command could not write. */
export class OutputError extends OutputErrorBase {}
