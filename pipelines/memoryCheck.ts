import { Effect, type FileSystem } from "effect"
import { Backend, type PlanOn } from "../lib/backend/index.ts"
import type { Clip } from "../lib/models/index.ts"
import { formatBytes, Progress } from "../lib/track/index.ts"
import { type AvailableMemory, availableMemory } from "./availableMemory.ts"
import type { TrainConfig } from "./config.ts"
import { type ConfigInvalid, MemoryShort } from "./errors.ts"
import {
  fitMemory,
  largestMicroBatch,
  type MemoryFacts,
  type MemoryFit,
  type MemoryPlan,
  type TooLarge
} from "./memoryPlan.ts"
import type { TwoTowerParams } from "./trainStep.ts"
import { tuningOf } from "./tune.ts"

/** Memory of the machine; infinite in a page, which cannot know it. */
const machineBytes: Effect.Effect<number> = Effect.suspend(() =>
  Effect.succeed(globalThis.process?.getBuiltinModule?.("node:os").totalmem() ?? Infinity)
)

/** What a process on this machine may still take. */
export const memoryHere: Effect.Effect<AvailableMemory, never, FileSystem.FileSystem> = Effect.flatMap(
  machineBytes,
  availableMemory
)

/** What takes a plan's memory, largest first, for people. */
export const showParts = ({ reachedBytes, deviceBytes, stateBytes, host }: MemoryPlan): string =>
  Object.entries({
    ...(deviceBytes > 0 ? {} : {
      "weights and optimizer": stateBytes,
      "activations and gradients": reachedBytes - stateBytes
    }),
    "decoded pictures": host.pictures + host.batch,
    "writing a checkpoint": host.checkpoint,
    "the runtime": host.runtime
  })
    .sort((a, b) => b[1] - a[1])
    .map(([name, bytes]) => `${name} ${formatBytes(bytes)}`)
    .join(", ")

/** What to change so that a run fits, for people. */
const advice = (
  config: TrainConfig,
  microBatch: number | undefined,
  plan: MemoryPlan | undefined,
  availableBytes: number
): string => {
  const { data: { windowSize }, updateFreq } = config
  if (microBatch !== undefined && microBatch < Math.min(config.microBatch ?? config.batchSize, config.batchSize)) {
    return `The largest microBatch that fits is ${microBatch}` +
      (config.checkpointBlocks === "blocks" ? ", with checkpointBlocks blocks" : "")
  }
  if (plan !== undefined && plan.host.pictures > availableBytes / 4) {
    return `Lower data.windowSize, now ${windowSize}, or data.prefetch`
  }
  if (updateFreq > 1) return "Lower batchSize: updateFreq excludes microBatch"
  return "No microBatch makes it fit: take a smaller model"
}

/** What a run takes, for people: of the host, and of a device of its own memory. */
const showNeeds = (plan: MemoryPlan): string =>
  `${formatBytes(plan.totalBytes)} of memory` +
  (plan.deviceBytes > 0 ? ` and ${formatBytes(plan.deviceBytes)} of the GPU's` : "")

/** Why there is no plan, for people. */
const showTooLarge = (error: TooLarge | undefined): string =>
  error?._tag === "ExceedsLimit" ? `more than the adapter allows: ${error.message}` : "a tensor of more than 4 GiB"

/**
 * Looks before a run whether the engine can hold it, and chooses the blocks where the configuration says `auto`: all
 * are kept where that fits, and else they run again. Says what was chosen. Fails with MemoryShort where the run does not
 * fit, unless `memoryCheck` is `warn`. Of a GPU with memory of its own nobody knows how much that is: there, what no
 * binding can hold is refused, and what the run will take is said.
 */
export const checkMemory = <P extends TwoTowerParams>(
  model: Clip<P>,
  asked: TrainConfig,
  facts: Omit<MemoryFacts, "planOn">
): Effect.Effect<TrainConfig, MemoryShort, Backend | Progress | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const backend = yield* Backend
    const { planOn } = backend
    if (planOn === undefined) {
      return asked.checkpointBlocks === "auto" ? { ...asked, checkpointBlocks: "none" as const } : asked
    }
    const progress = yield* Progress
    const available = yield* memoryHere
    const known = { ...facts, planOn, threads: backend.threads, memoryOf: backend.memoryOf }
    const { config, plan, tooLarge, fits } = fitMemory(model, asked, available.bytes, known)
    const predictedBytes = plan?.totalBytes ?? Infinity
    const needs = plan === undefined ? showTooLarge(tooLarge) : showNeeds(plan)
    if (fits) {
      yield* progress.note(
        `memory: ${needs} at most, ${available.of} ${formatBytes(available.bytes)}` +
          (config.checkpointBlocks === asked.checkpointBlocks || config.checkpointBlocks === "none" ?
            "" :
            "; blocks run again in the backward pass, since keeping them would not fit (checkpointBlocks auto)")
      )
      return config
    }
    const microBatch = largestMicroBatch(model, config, available.bytes, known)
    const message = `the run would take ${needs}, and ${available.of} ${formatBytes(available.bytes)}` +
      `${plan === undefined ? "" : ` (${showParts(plan)})`}. ${advice(config, microBatch, plan, available.bytes)}; ` +
      "memoryCheck warn trains all the same"
    if (asked.memoryCheck === "warn") {
      yield* progress.note(`memory: ${message}`)
      return config
    }
    return yield* new MemoryShort({ predictedBytes, availableBytes: available.bytes, microBatch, message })
  })

/** What a run takes on the CPU engine of this machine, and what there is. */
export interface MemoryHere {
  readonly fit: MemoryFit
  readonly available: AvailableMemory
}

/** The memory of a run on the CPU engine, before anything is opened. Fails with ConfigInvalid where `tune` does not fit. */
export const planMemory = <P extends TwoTowerParams>(
  model: Clip<P>,
  config: TrainConfig,
  numSamples: number | undefined,
  planOn: PlanOn
): Effect.Effect<MemoryHere, ConfigInvalid, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const { lrScaleOf } = yield* tuningOf(model, config.tune)
    const available = yield* memoryHere
    return { fit: fitMemory(model, config, available.bytes, { numSamples, lrScaleOf, planOn }), available }
  })

/** The same as lines for people, in the manner of `showPlan`. */
export const showMemory = ({ fit: { config, plan, fits }, available }: MemoryHere): string => {
  const there = `${available.of} ${formatBytes(available.bytes)}${fits ? "" : ": it does not fit"}`
  const blocks = config.checkpointBlocks === "blocks" ? ", blocks run again" : ""
  return plan === undefined ?
    `CPU engine  a tensor of more than 4 GiB; ${there}` :
    `CPU engine  ${formatBytes(plan.totalBytes)} at most${blocks}; ${there}\n            (${showParts(plan)})`
}
