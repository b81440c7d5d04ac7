import { Effect, type FileSystem } from "effect"
import { planOnCpu } from "../../lib/backend/index.ts"
import { formatBytes } from "../../lib/track/index.ts"
import { decodeTrainConfig, type TrainConfig } from "../config.ts"
import { memoryHere } from "../memoryCheck.ts"
import { type EngineSpeed, fitMemory, largestMicroBatch, measuredEngine, type MemoryFit } from "../memoryPlan.ts"
import { type Preset, presets } from "../presets.ts"
import type { Finding } from "./findings.ts"

/** Presets that differ in what they take: the gradient as published takes what the exact one does. */
const looked = ["golden", "tiny", "cc3m100kTi", "cc3m100kS", "cc3m"] as const

const spans = [["days", 86_400], ["hours", 3600], ["minutes", 60], ["seconds", 1]] as const

/** `42 seconds`, `3.5 hours`: two digits, in a unit from two of it on. */
export const showSeconds = (seconds: number): string => {
  const [unit, length] = spans.find(([, length]) => seconds >= 2 * length) ?? ["seconds", 1]
  return `${Number((seconds / length).toPrecision(2))} ${unit}`
}

/** Steps of one pass over the data where the preset knows its data, and else of the whole run. */
const lengthOf = (
  { dataset }: Preset,
  { batchSize, updateFreq, length }: TrainConfig
): { readonly steps: number; readonly of: string } | undefined => {
  if (dataset?.numSamples !== undefined) {
    return { steps: Math.floor(dataset.numSamples / (batchSize * updateFreq)), of: "an epoch" }
  }
  return "steps" in length ? { steps: length.steps, of: `its ${length.steps} steps` } : undefined
}

const timeText = (preset: Preset, config: TrainConfig, secondsPerStep: number): string => {
  const length = lengthOf(preset, config)
  return `about ${showSeconds(secondsPerStep)} a step` +
    (length === undefined ? "" : `, ${showSeconds(secondsPerStep * length.steps)} for ${length.of}`)
}

/** What a micro-batch may have at most: a number of pairs, the whole batch, or none. */
const largestOf = (
  { model }: Preset,
  { config, plan, fits }: MemoryFit,
  bytes: number
): number | undefined => {
  const isWhole = config.microBatch === null || config.microBatch >= config.batchSize
  return plan !== undefined && fits && isWhole ?
    config.batchSize :
    largestMicroBatch(model, config, bytes, { planOn: planOnCpu })
}

const findingOf = (
  name: string,
  preset: Preset,
  config: TrainConfig,
  bytes: number,
  speed: EngineSpeed
): Finding => {
  const fit = fitMemory(preset.model, config, bytes, { planOn: planOnCpu, speed })
  const { plan, fits } = fit
  const microBatch = largestOf(preset, fit, bytes)
  const needs = plan === undefined ? "a tensor of more than 4 GiB" : formatBytes(plan.totalBytes)
  const again = fit.config.checkpointBlocks === "blocks" ? ", blocks run again" : ""
  const largest = microBatch === undefined ?
    "no micro-batch fits" :
    microBatch >= config.batchSize ?
    "the whole batch fits" :
    `a micro-batch of ${microBatch} fits`
  const time = plan === undefined ? "" : `, ${timeText(preset, fit.config, plan.secondsPerStep)}`
  return {
    name: `run ${name}`,
    found: `${needs} at most${again}${time}; ${fits ? "" : "does not fit; "}${largest}`,
    state: fits ? "works" : "absent",
    figures: {
      engineBytes: plan?.engineBytes ?? null,
      totalBytes: plan?.totalBytes ?? null,
      secondsPerStep: plan?.secondsPerStep ?? null,
      batchSize: config.batchSize,
      largestMicroBatch: microBatch ?? null
    }
  }
}

/** What the presets would take here in memory and time on the CPU engine, at the speed that was measured. */
export const presetFindings = (
  gflops: number | undefined
): Effect.Effect<ReadonlyArray<Finding>, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const { bytes } = yield* memoryHere
    const speed = { ...measuredEngine, ...(gflops === undefined ? {} : { gflops }) }
    return yield* Effect.forEach(looked, (name) => {
      const preset: Preset = presets[name]
      return Effect.map(
        Effect.orDie(decodeTrainConfig(preset.config)),
        (config) => findingOf(name, preset, config, bytes, speed)
      )
    })
  })
