import { Effect } from "effect"
import type { Dataset } from "../lib/api/index.ts"
import type { Clip } from "../lib/models/index.ts"
import { specsOf } from "../lib/nn/index.ts"
import type { Params } from "../lib/tensor/index.ts"
import { sizeOf } from "../lib/tensor/index.ts"
import { decodeTrainConfig, planOf, type TrainConfig, type TrainConfigInput } from "./config.ts"
import type { ConfigInvalid } from "./errors.ts"
import { measuredSpeed, showDuration, showFlops, type Speed, stepFlops } from "./flops.ts"
import { tuningOf } from "./tune.ts"

/** What a run will be, before anything is allocated. */
export interface TrainPlan {
  readonly model: string
  readonly dataset: string
  readonly config: TrainConfig
  readonly numSamples: number | undefined
  readonly steps: number
  readonly warmupSteps: number
  readonly stepsPerEpoch: number | undefined
  readonly numParameters: number
  /** Parameters that are trained, that are frozen, and that are trained at a rate of their own, in numbers. */
  readonly numTrained: number
  readonly numFrozen: number
  readonly numScaled: number
  /** Trained parameters that weight decay applies to, in numbers. */
  readonly numDecayed: number
  /** Weights in float32. */
  readonly parameterBytes: number
  /** Both moments of AdamW in float32, of what is trained. */
  readonly optimizerBytes: number
  /** Pairs in one pass through the towers. */
  readonly microBatch: number
  /** Operations of one update and of all of them, by `stepFlops`; frozen parameters count as trained. */
  readonly stepFlops: number
  readonly flops: number
}

/** The plan of `Pipeline.train(model, dataset, config)`: steps, parameters, bytes. Allocates nothing. */
export const plan = <P extends Params, S, E, R>(
  model: Clip<P>,
  dataset: Dataset<S, E, R>,
  input: TrainConfigInput = {}
): Effect.Effect<TrainPlan, ConfigInvalid> =>
  Effect.gen(function* () {
    const config = yield* decodeTrainConfig(input)
    const length = yield* planOf(config, dataset.numSamples)
    const { isTrained, numTrained, numFrozen, numScaled } = yield* tuningOf(model, config.tune)
    const decayed = specsOf<P>(model.specs).filter(({ path, spec }) => spec.shape.length >= 2 && isTrained(path))
    const perStep = stepFlops(model.settings, config)
    return {
      model: model.name,
      dataset: dataset.name,
      config,
      numSamples: dataset.numSamples,
      ...length,
      numParameters: model.numParameters,
      numTrained,
      numFrozen,
      numScaled,
      numDecayed: decayed.reduce((count, { spec }) => count + sizeOf(spec.shape), 0),
      parameterBytes: 4 * model.numParameters,
      optimizerBytes: 8 * numTrained,
      microBatch: Math.min(config.microBatch ?? config.batchSize, config.batchSize),
      stepFlops: perStep,
      flops: length.steps * perStep
    }
  })

/** What a fine-tuning adds: where the weights come from, and what of them is trained. */
const tuning = ({ config, numTrained, numFrozen, numScaled }: TrainPlan): ReadonlyArray<string> => [
  ...(config.init.checkpoint === null ? [] : [`start       ${config.init.checkpoint}`]),
  ...(config.tune.length === 0 ? [] : [
    `trained     ${grouped(numTrained)} parameters` +
    (numScaled === 0 ? "" : `, of them ${grouped(numScaled)} at rates of their own`) +
    `; ${grouped(numFrozen)} frozen`
  ])
]

const grouped = (n: number): string => n.toLocaleString("en-US")

/** How a batch goes through the towers. */
const batchText = ({ config, microBatch }: TrainPlan): string =>
  `${grouped(config.batchSize)} pairs` +
  (config.updateFreq === 1 ? "" : ` x ${config.updateFreq} accumulated`) +
  (microBatch < config.batchSize ? ` in micro-batches of ${grouped(microBatch)}` : "") +
  (config.checkpointBlocks === "blocks" ? ", blocks run again in the backward pass" : "")

/** A plan as lines for people, with the time that it takes at a speed: by default what the CPU engine was measured at. */
export const showPlan = (p: TrainPlan, speed: Speed = measuredSpeed): string =>
  [
    `model       ${p.model}, ${grouped(p.numParameters)} parameters (${grouped(p.numDecayed)} decayed)`,
    ...tuning(p),
    `data        ${p.dataset}, ${p.numSamples === undefined ? "unknown number of" : grouped(p.numSamples)} pairs`,
    `batch       ${batchText(p)}`,
    `steps       ${grouped(p.steps)}, of them ${grouped(p.warmupSteps)} warm-up` +
    (p.stepsPerEpoch === undefined ? "" : ` (${grouped(p.stepsPerEpoch)} an epoch)`),
    `rate        ${p.config.schedule.peak}, weight decay ${p.config.optimizer.weightDecay}, loss ${p.config.loss.name}` +
    (p.config.gradientClip === null ? "" : `, gradients clipped to norm ${p.config.gradientClip.maxNorm}`),
    `memory      ${grouped(p.parameterBytes)} bytes of weights, ${grouped(p.optimizerBytes)} bytes of optimizer state`,
    `work        ${showFlops(p.stepFlops)} a step, ${showFlops(p.flops)} in all: ${showDuration(p.flops, speed)} at ` +
    `${speed.gflops} GFLOP/s (${speed.of})`
  ].join("\n")
