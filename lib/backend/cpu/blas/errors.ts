import { Data } from "effect"
import type { TaggedErrorClass } from "../../../api/errors.ts"
import type { Refusal } from "./refusal.ts"

type BlasUnavailableFields = {
  /** Every library that was tried, in order; empty where the runtime cannot call C at all. */
  readonly tried: ReadonlyArray<Refusal>
  readonly message: string
}
const BlasUnavailableBase: TaggedErrorClass<"BlasUnavailable", BlasUnavailableFields> = Data.TaggedError(
  "BlasUnavailable"
)<BlasUnavailableFields>
/** No BLAS can be used here. `message` lists what was tried, why it was not taken, and how to install one. */
export class BlasUnavailable extends BlasUnavailableBase {}
