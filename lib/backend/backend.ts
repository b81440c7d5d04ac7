import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import { Context, Effect } from "effect"
import { KernelFailed, OutOfMemory } from "./cpu/errors.ts"
import type { PlanOn } from "./cpu/planning.ts"
import { BackendError, type CanaryFailed } from "./errors.ts"
import { DeviceLost, ExceedsLimit } from "./webgpu/errors.ts"

/** Why a synchronous unit of tensor work did not end; other throws are defects (a ShapeError is the caller's mistake). */
export type UnitError = BackendError | DeviceLost | ExceedsLimit | OutOfMemory | KernelFailed

/** What an engine holds: bytes of tensors now and at most so far, and how many tensors there are. */
export interface BackendMemory {
  readonly bytesInUse: number
  readonly peakBytes: number
  readonly numTensors: number
}

/** The engine that tensors live on. */
export interface BackendShape {
  readonly name: string
  /** Which arithmetic runs, e.g. `wasm-mul-add`: results repeat bit for bit on one path. Stored in checkpoints. */
  readonly path: string
  /** One line that says what was taken and why. */
  readonly announcement: string
  readonly threads: number
  /**
   * Runs one synchronous unit (a forward and backward pass, an update) on this engine. It is never interrupted in the
   * middle; what it allocates and keeps is the caller's.
   */
  readonly sync: <A>(unit: () => A) => Effect.Effect<A, UnitError>
  /**
   * A copy of a tensor's numbers, row-major; the tensor stays the caller's. The only way to read that every engine has:
   * a GPU answers later, so a unit of work must not read inside itself.
   */
  readonly read: (tensor: Tensor) => Effect.Effect<Float32Array, UnitError>
  /**
   * Engines that answer later: begins to read at this place among the commands, and gives the wait for the numbers, which
   * may be waited for more than once. The tensor stays the caller's and lives until then; `read` is both at once.
   */
  readonly readLater?: (tensor: Tensor) => Effect.Effect<Effect.Effect<Float32Array, UnitError>, UnitError>
  /**
   * Engines whose device can be lost: goes on with a new one in its place. All tensors of the old one are gone; free them
   * before. Fails where the machine gives no device any more, or one of another adapter: then the loss stays.
   */
  readonly restart?: Effect.Effect<void, UnitError | CanaryFailed>
  readonly memory: Effect.Effect<BackendMemory>
  /** Whose memory its tensors take: the host's (default), or the device's own, of which nobody tells how much there is. */
  readonly memoryOf?: "host" | "device"
  /** Runs units on the engine without memory and arithmetic, to learn what they would take; engines that can. */
  readonly planOn?: PlanOn
}

const BackendBase: Context.ServiceClass<Backend, "diffclip/Backend", BackendShape> = Context.Service<
  Backend,
  BackendShape
>()("diffclip/Backend")

/** The service that decides on which engine the tensors live. Layers: `cpu`, `webgpu`, `auto`. */
export class Backend extends BackendBase {}

const isUnitError = (error: unknown): error is UnitError =>
  error instanceof BackendError || error instanceof DeviceLost || error instanceof ExceedsLimit ||
  error instanceof OutOfMemory || error instanceof KernelFailed

/**
 * Runs a unit now on the engine that tfjs knows as `tfName`, and says how it ended. Fails with BackendError once the
 * engine is closed. Never throws.
 */
export const attempt = <A>(tfName: string, unit: () => A): Effect.Effect<A, UnitError> => {
  // tf.setBackend would answer with a promise that rejects, which nobody here can wait for.
  if (tf.findBackend(tfName) === null) {
    return Effect.fail(
      new BackendError({
        backend: tfName,
        reason: "failed",
        message: `backend ${tfName}: expected an open engine, but it was closed and its tensors are freed. Keep the ` +
          "scope of the Backend layer open until the last unit of work is done"
      })
    )
  }
  try {
    if (tf.getBackend() !== tfName) tf.setBackend(tfName)
    return Effect.succeed(unit())
  } catch (error) {
    return isUnitError(error) ? Effect.fail(error) : Effect.die(error)
  }
}

/** `sync` for an engine that is registered with tfjs under `tfName` and whose numbers lie in memory of the host. */
export const syncOn = (tfName: string): BackendShape["sync"] => (unit) => Effect.suspend(() => attempt(tfName, unit))

/** `read` for such an engine. */
export const readOn = (sync: BackendShape["sync"]): BackendShape["read"] => (tensor) =>
  sync(() => Float32Array.from(tensor.dataSync()))
