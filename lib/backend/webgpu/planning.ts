import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import type { PlannedWork, Planning, PlanOn } from "../cpu/planning.ts"
import { webgpuKernels } from "./kernels/index.ts"
import type { Limits } from "./limits.ts"
import { planDevice, type PlannedShader, withPlanGlobals } from "./planDevice.ts"
import { registerStock, type Replacement } from "./tfjs.ts"

/** The name under which tfjs knows the engine that plans. */
const PLAN = "diffclip-webgpu-plan"

/** Only who made it, which tfjs asks of Intel's alone. */
type Info = Pick<GPUAdapterInfo, "vendor" | "architecture">

/** Settings of `planWebgpu`. */
export interface WebgpuPlanOptions {
  /** Who made the adapter. */
  readonly info?: Info
  /** What is registered over tfjs's kernels; default all of ours. */
  readonly kernels?: ReadonlyArray<Replacement>
}

/** A planning engine of a GPU: what is beyond the CPU engine's. */
export interface WebgpuPlanning extends Planning {
  /** Its name in tfjs. */
  readonly name: string
  /** Every shader that would have been compiled, tfjs's and ours. */
  readonly shaders: () => ReadonlyArray<PlannedShader>
}

const bytesOf = ({ size }: Tensor): number => 4 * size

/**
 * Runs `use` on the WebGPU engine without a GPU: the recorder, our kernels' plans, tfjs's kernels and the pool of buffers
 * are those of the engine, on a device that only counts, so that bytes are those of the engine by construction. Bytes are
 * of buffers, idle ones included, since the pool keeps them; the peak of one part of a step is therefore at least that of
 * the parts before it. Work is counted in dispatches alone. Numbers must not be read. Throws ExceedsLimit as the engine
 * would.
 */
export const planWebgpu = <A>(
  limits: Limits,
  use: (planning: WebgpuPlanning) => A,
  { info = { vendor: "", architecture: "" }, kernels = webgpuKernels }: WebgpuPlanOptions = {}
): A =>
  withPlanGlobals(() => {
    const before: string | null = tf.engine().backendName
    if (before === PLAN) throw new Error("planWebgpu: a plan inside a plan")
    const { device, shaders, dispatches } = planDevice(limits)
    const engine = registerStock(PLAN, device, info, kernels)
    const made = new Set<Tensor>()
    let taken = 0
    try {
      void tf.setBackend(PLAN)
      return use({
        tensor: (shape, dtype = "float32") => {
          const tensor = tf.keep(engine.tensor(shape, dtype))
          made.add(tensor)
          return tensor
        },
        usage: () => {
          engine.flush()
          const { bytesInUse, peakBytes } = engine.memory()
          let waiting = 0
          for (const tensor of made) {
            if (tensor.isDisposed || engine.isOnDevice(tensor)) made.delete(tensor)
            else waiting += bytesOf(tensor)
          }
          return { bytesInUse: bytesInUse + waiting, peakBytes, reachedBytes: peakBytes }
        },
        resetPeak: () => undefined,
        takeWork: (): PlannedWork => {
          engine.flush()
          const calls = dispatches() - taken
          taken = dispatches()
          return { productFlops: 0, elements: 0, calls }
        },
        name: PLAN,
        shaders
      })
    } finally {
      engine.close()
      if (before !== null && tf.findBackend(before) !== null) void tf.setBackend(before)
    }
  })

/** `planWebgpu` for an adapter. */
export const planOnWebgpu = (limits: Limits, options: WebgpuPlanOptions = {}): PlanOn => (use) =>
  planWebgpu(limits, use, options)
