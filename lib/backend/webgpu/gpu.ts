import type { TensorInfo } from "@tensorflow/tfjs-core"
import type { Groups, Limits } from "./limits.ts"
import type { Shader } from "./shader.ts"

/** Whole numbers or floats of 4 bytes. */
export type GpuType = "float32" | "int32"

/** What the engine did so far. */
export interface GpuCounters {
  /** Dispatches of our own shaders. */
  readonly dispatches: number
  /** Pipelines that were compiled for them. */
  readonly pipelines: number
}

/** The engine as a kernel sees it: tensors in, dispatches recorded, tensors out. All of it is synchronous. */
export interface Gpu {
  readonly limits: Limits
  /** A tensor whose numbers are undefined until a shader has written all of them. */
  readonly output: (shape: ReadonlyArray<number>, dtype?: GpuType) => TensorInfo
  /** Frees a tensor that a kernel made and does not hand out. */
  readonly free: (tensor: TensorInfo) => void
  /**
   * Another name for a tensor's numbers, to be handed out as a result: of another shape, or as the result of a shader
   * that updated it.
   */
  readonly share: (tensor: TensorInfo, shape?: ReadonlyArray<number>) => TensorInfo
  /** How many tensors have these numbers; an update in place is visible in all of them. */
  readonly owners: (tensor: TensorInfo) => number
  /**
   * Records a dispatch. Throws `ExceedsLimit`, before anything is recorded, where a buffer or the number of workgroups is
   * more than the device allows. A tensor may not be read and written under two names.
   */
  readonly run: <B extends string, U extends string>(
    shader: Shader<B, U>,
    tensors: Readonly<Record<B, TensorInfo>>,
    uniforms: Readonly<Record<U, number>>,
    groups: Groups
  ) => void
  readonly counters: () => GpuCounters
}
