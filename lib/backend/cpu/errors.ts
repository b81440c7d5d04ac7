import { Data } from "effect"
import type { TaggedErrorClass } from "../../api/errors.ts"

type OutOfMemoryFields = {
  readonly backend: string
  readonly bytesAsked: number
  readonly bytesInUse: number
  readonly bytesFree: number
  readonly message: string
}
const OutOfMemoryBase: TaggedErrorClass<"OutOfMemory", OutOfMemoryFields> = Data.TaggedError("OutOfMemory")<
  OutOfMemoryFields
>
/** The engine's shared memory has no room for a tensor. `bytesFree` is what is left in all, in pieces or not. */
export class OutOfMemory extends OutOfMemoryBase {}

type KernelFailedFields = { readonly kernel: string; readonly worker: number; readonly message: string }
const KernelFailedBase: TaggedErrorClass<"KernelFailed", KernelFailedFields> = Data.TaggedError("KernelFailed")<
  KernelFailedFields
>
/**
 * A kernel trapped on a worker; the other workers have finished their shares and wait for the next job. Or a worker did
 * not answer in time: then `worker` is -1, all workers are ended and the engine goes on with one thread.
 */
export class KernelFailed extends KernelFailedBase {}

type UnsupportedKernelFields = { readonly kernel: string; readonly found: string; readonly message: string }
const UnsupportedKernelBase: TaggedErrorClass<"UnsupportedKernel", UnsupportedKernelFields> = Data.TaggedError(
  "UnsupportedKernel"
)<UnsupportedKernelFields>
/**
 * An operation of tfjs that the engine does not have, or not for these operands; `found` are their types and shapes. The
 * library's own models never need one: it is the caller's mistake, a defect.
 */
export class UnsupportedKernel extends UnsupportedKernelBase {}
