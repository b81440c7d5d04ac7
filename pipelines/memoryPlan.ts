import type { Optimizer } from "../lib/api/index.ts"
import { ExceedsLimit, OutOfMemory, type PlanOn } from "../lib/backend/index.ts"
import type { Clip } from "../lib/models/index.ts"
import { adamW } from "../lib/optim/index.ts"
import type { TrainConfig } from "./config.ts"
import { lossOf } from "./lossOf.ts"
import { type PlannedPhase, type PlannedStep, planStep } from "./planStep.ts"
import type { TwoTowerParams } from "./trainStep.ts"

/** Speed of the CPU engine: of a plain product of matrices, and of element operations as kernels count them. */
export interface EngineSpeed {
  readonly gflops: number
  readonly gigaElements: number
}

/** What is assumed where nobody measured: about two cores with OpenBLAS 0.3.21 (docs/cpu-engine.md). `doctor` measures. */
export const measuredEngine: EngineSpeed = { gflops: 150, gigaElements: 5 }

/** What is known of a run beside its configuration. */
export interface MemoryFacts {
  /** The engine that plans: `planOnCpu`, or the open one's `planOn`. */
  readonly planOn: PlanOn
  /** Whose memory the engine takes; default the host's. */
  readonly memoryOf?: "host" | "device" | undefined
  /** Samples of the data set; default as many as a window holds. */
  readonly numSamples?: number | undefined
  /** Threads of the engine; default 2. */
  readonly threads?: number | undefined
  /** By path, as the optimizer is told; 0 freezes. Default: all are trained. */
  readonly lrScaleOf?: ((path: string) => number) | undefined
  readonly speed?: EngineSpeed | undefined
}

/** Memory of the process beside the engine's, in bytes. Estimated from the configuration. */
export interface HostMemory {
  /** What the runtime grows by while it trains: compiled code, garbage. */
  readonly runtime: number
  /** Decoded pictures: the window in use, those read ahead, and the one that is being read. */
  readonly pictures: number
  /** One micro-batch as numbers, before it becomes tensors. */
  readonly batch: number
  /** Copies of weights and moments while a checkpoint is written. */
  readonly checkpoint: number
}

/** What a run takes on an engine. */
export interface MemoryPlan {
  /** The most that the engine's blocks occupy at once; exact. */
  readonly engineBytes: number
  /** What the engine's memories take from the machine: the peak, and what lies unused between blocks. */
  readonly reachedBytes: number
  /** Of that, what is the device's own and not the host's. */
  readonly deviceBytes: number
  /** Weights, optimizer state and packing scratch: what cannot be smaller. */
  readonly stateBytes: number
  readonly host: HostMemory
  /** `reachedBytes` but `deviceBytes`, and everything of `host`: what must be free when the run begins. */
  readonly totalBytes: number
  /** At `speed`: products at 85 % of a plain product's speed, element operations, and 10 microseconds a kernel. */
  readonly secondsPerStep: number
  readonly phases: ReadonlyArray<PlannedPhase>
}

const RUNTIME = 100 * 2 ** 20
const CALL_SECONDS = 1e-5
/** Share of a plain product's speed that the products of a step reach. */
const SHARE = 0.85

/** A decoded picture is assumed to have this many times the side that the model sees, as CC3M at 256 px has for 224. */
const PICTURE_SIDE = 8 / 7

const hostOf = (
  { transform, numParameters }: Pick<Clip<object>, "transform" | "numParameters">,
  { batchSize, microBatch, updateFreq, data: { windowSize, prefetch } }: TrainConfig,
  numSamples: number
): HostMemory => {
  const { size } = transform.image
  const picture = 3 * (size * PICTURE_SIDE) ** 2
  const window = Math.min(windowSize, numSamples)
  const ahead = Math.ceil((prefetch * updateFreq) / Math.max(1, Math.floor(windowSize / batchSize)))
  return {
    runtime: RUNTIME,
    pictures: Math.round(picture * (Math.max(window, batchSize) + (1 + ahead) * window)),
    batch: 4 * Math.min(microBatch ?? batchSize, batchSize) * (3 * size * size + transform.text.contextLength),
    checkpoint: 12 * numParameters
  }
}

/** How long a step's work takes, in seconds. */
export const secondsOf = ({ work }: PlannedStep, { gflops, gigaElements }: EngineSpeed = measuredEngine): number =>
  work.productFlops / (SHARE * gflops * 1e9) + work.elements / (gigaElements * 1e9) + work.calls * CALL_SECONDS

/** A tensor that an engine cannot have, whatever is free. */
export type TooLarge = OutOfMemory | ExceedsLimit

const isPlan = (plan: MemoryPlan | TooLarge): plan is MemoryPlan => "engineBytes" in plan

/** The plan, or what keeps the engine from running a step at all. */
const tryMemory = <P extends TwoTowerParams>(
  model: Clip<P>,
  config: TrainConfig,
  { numSamples = config.data.windowSize, threads = 2, memoryOf = "host", lrScaleOf, speed, planOn }: MemoryFacts
): MemoryPlan | TooLarge => {
  const scale = lrScaleOf === undefined ? {} : { lrScaleOf }
  const optimizer: Optimizer<P, unknown> = adamW<P>({ ...config.optimizer, ...scale })
  const step = attempt(() =>
    planStep({ model, loss: lossOf(config.loss), optimizer, config, ...scale }, planOn, { threads })
  )
  if (step instanceof OutOfMemory || step instanceof ExceedsLimit) return step
  const host = hostOf(model, config, numSamples)
  const deviceBytes = memoryOf === "device" ? step.reachedBytes : 0
  return {
    engineBytes: step.peakBytes,
    reachedBytes: step.reachedBytes,
    deviceBytes,
    stateBytes: step.stateBytes,
    host,
    totalBytes: step.reachedBytes - deviceBytes + host.runtime + host.pictures + host.batch + host.checkpoint,
    secondsPerStep: secondsOf(step, speed),
    phases: step.phases
  }
}

/**
 * What training a model with a configuration takes on an engine, found by running its step without memory and
 * arithmetic (`planStep`), in a fraction of a second. `auto` blocks count as kept. Undefined where one tensor would be
 * larger than the engine can have (4 GiB on the CPU, a GPU's largest binding).
 */
export const memoryOf = <P extends TwoTowerParams>(
  model: Clip<P>,
  config: TrainConfig,
  facts: MemoryFacts
): MemoryPlan | undefined => {
  const plan = tryMemory(model, config, facts)
  return isPlan(plan) ? plan : undefined
}

/** The plan, or the error of a tensor that is larger than the engine can have. */
const attempt = (plan: () => PlannedStep): PlannedStep | TooLarge => {
  try {
    return plan()
  } catch (error) {
    if (error instanceof OutOfMemory || error instanceof ExceedsLimit) return error
    throw error
  }
}

/** What fits into so many bytes, and why the rest does not. */
export interface MemoryFit {
  /** The configuration with its blocks chosen: never `auto`. */
  readonly config: TrainConfig
  readonly plan: MemoryPlan | undefined
  /** Where there is no plan: the tensor that the engine cannot have. */
  readonly tooLarge: TooLarge | undefined
  readonly fits: boolean
}

const fitOf = (config: TrainConfig, found: MemoryPlan | TooLarge, availableBytes: number): MemoryFit =>
  isPlan(found) ?
    { config, plan: found, tooLarge: undefined, fits: fitsIn(found, availableBytes) } :
    { config, plan: undefined, tooLarge: found, fits: false }

const fitsIn = (plan: MemoryPlan | undefined, availableBytes: number): boolean =>
  plan !== undefined && plan.totalBytes <= availableBytes

/** The configuration as it would run in `availableBytes`: `auto` keeps all blocks where that fits, and else runs them again. */
export const fitMemory = <P extends TwoTowerParams>(
  model: Clip<P>,
  config: TrainConfig,
  availableBytes: number,
  facts: MemoryFacts
): MemoryFit => {
  const kept: TrainConfig = config.checkpointBlocks === "auto" ? { ...config, checkpointBlocks: "none" } : config
  const fit = fitOf(kept, tryMemory(model, kept, facts), availableBytes)
  if (config.checkpointBlocks !== "auto" || fit.fits) return fit
  const again: TrainConfig = { ...config, checkpointBlocks: "blocks" }
  return fitOf(again, tryMemory(model, again, facts), availableBytes)
}

/** Plans that a search makes at most. */
const MOST_TRIES = 8

/**
 * The largest micro-batch that fits into `availableBytes`, to a tenth; undefined where not even one pair does, or
 * where `updateFreq` excludes micro-batches. A few plans find it.
 */
export const largestMicroBatch = <P extends TwoTowerParams>(
  model: Clip<P>,
  config: TrainConfig,
  availableBytes: number,
  facts: MemoryFacts
): number | undefined => {
  if (config.updateFreq > 1) return undefined
  const planOf = (microBatch: number): MemoryPlan | undefined => memoryOf(model, { ...config, microBatch }, facts)
  const most = config.batchSize
  const small = planOf(1)
  if (small === undefined || !fitsIn(small, availableBytes)) return undefined
  // Bytes grow about along a line through one pair and the last try. Where that leads nowhere, the middle does.
  let [fitting, failing] = [1, most + 1]
  let next = Math.min(16, most)
  for (let tries = 0; tries < MOST_TRIES && next > fitting && next < failing; tries++) {
    const plan = planOf(next)
    const perPair = plan === undefined ? 0 : (plan.totalBytes - small.totalBytes) / Math.max(1, next - 1)
    if (fitsIn(plan, availableBytes)) fitting = next
    else failing = next
    if (failing - fitting <= fitting / 10) break
    const end = perPair > 0 ? Math.floor(1 + (availableBytes - small.totalBytes) / perPair) : 0
    const middle = Math.floor(Math.sqrt(fitting * failing))
    const isNear = end > 1.02 * fitting && end < 0.98 * failing
    next = Math.max(fitting + 1, end > most && failing > most ? most : isNear ? end : middle)
  }
  return fitting
}
