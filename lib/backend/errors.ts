import { Data } from "effect"
import type { TaggedErrorClass } from "../api/index.ts"

type BackendErrorFields = {
  readonly backend: string
  readonly reason: "unavailable" | "failed"
  readonly kernel?: string
  readonly cause?: unknown
  readonly message: string
}
const BackendErrorBase: TaggedErrorClass<"BackendError", BackendErrorFields> = Data.TaggedError("BackendError")<
  BackendErrorFields
>
/** An engine that cannot be had, or that failed in the middle of a unit. `message` says which and what to do. */
export class BackendError extends BackendErrorBase {}

type CanaryFailedFields = {
  readonly backend: string
  readonly kernel: string
  readonly output: string
  readonly error: number
  readonly limit: number
  readonly message: string
}
const CanaryFailedBase: TaggedErrorClass<"CanaryFailed", CanaryFailedFields> = Data.TaggedError("CanaryFailed")<
  CanaryFailedFields
>
/** A kernel gave other numbers than its definition: the engine is refused. `error` is relative to max(1, |expected|). */
export class CanaryFailed extends CanaryFailedBase {}

export { KernelFailed, OutOfMemory } from "./cpu/errors.ts"
export { DeviceLost, ExceedsLimit } from "./webgpu/errors.ts"
