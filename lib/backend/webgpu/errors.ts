import { Data } from "effect"
import type { TaggedErrorClass } from "../../api/errors.ts"

type DeviceLostFields = {
  readonly backend: string
  readonly adapter: string
  /** What the device gave as its reason: `destroyed` or `unknown`. */
  readonly reason: string
  readonly message: string
}
const DeviceLostBase: TaggedErrorClass<"DeviceLost", DeviceLostFields> = Data.TaggedError("DeviceLost")<
  DeviceLostFields
>
/**
 * The GPU is gone and all tensors on it with it. Training opens it again and goes on from its last copy
 * (`checkpoint.snapshotEvery`), three times at most; this is the error of the fourth, and of every other verb.
 */
export class DeviceLost extends DeviceLostBase {}

type ExceedsLimitFields = {
  /** Key of the shader that was to run. */
  readonly kernel: string
  /** Its name for the tensor that is too large, or undefined where it is the number of workgroups. */
  readonly tensor: string | undefined
  readonly limitName: string
  readonly limit: number
  /** Bytes or workgroups that were wanted. */
  readonly found: number
  readonly message: string
}
const ExceedsLimitBase: TaggedErrorClass<"ExceedsLimit", ExceedsLimitFields> = Data.TaggedError("ExceedsLimit")<
  ExceedsLimitFields
>
/** More than the adapter allows was asked of one dispatch; nothing was recorded. A smaller `microBatch` helps. */
export class ExceedsLimit extends ExceedsLimitBase {}
