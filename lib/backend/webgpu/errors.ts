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
/** The GPU is gone and all tensors on it with it. The last checkpoint is what is left: resume from it. */
export class DeviceLost extends DeviceLostBase {}
