import { Effect } from "effect"
import type { Dataset } from "../lib/api/index.ts"
import type { Clip } from "../lib/models/index.ts"
import { specsOf } from "../lib/nn/index.ts"
import type { Params } from "../lib/tensor/index.ts"
import { sizeOf } from "../lib/tensor/index.ts"
import { decodeTrainConfig, planOf, type TrainConfig, type TrainConfigInput } from "./config.ts"
import type { ConfigInvalid } from "./errors.ts"

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
  /** Parameters that weight decay applies to, in numbers. */
  readonly numDecayed: number
  /** Weights in float32. */
  readonly parameterBytes: number
  /** Both moments of AdamW in float32. */
  readonly optimizerBytes: number
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
    const matrices = specsOf<P>(model.specs).filter(({ spec }) => spec.shape.length >= 2)
    return {
      model: model.name,
      dataset: dataset.name,
      config,
      numSamples: dataset.numSamples,
      ...length,
      numParameters: model.numParameters,
      numDecayed: matrices.reduce((count, { spec }) => count + sizeOf(spec.shape), 0),
      parameterBytes: 4 * model.numParameters,
      optimizerBytes: 8 * model.numParameters
    }
  })

const grouped = (n: number): string => n.toLocaleString("en-US")

/** A plan as lines for people. */
export const showPlan = (p: TrainPlan): string =>
  [
    `model       ${p.model}, ${grouped(p.numParameters)} parameters (${grouped(p.numDecayed)} decayed)`,
    `data        ${p.dataset}, ${p.numSamples === undefined ? "unknown number of" : grouped(p.numSamples)} pairs`,
    `batch       ${grouped(p.config.batchSize)} pairs` +
    (p.config.updateFreq === 1 ? "" : ` x ${p.config.updateFreq} accumulated`),
    `steps       ${grouped(p.steps)}, of them ${grouped(p.warmupSteps)} warm-up` +
    (p.stepsPerEpoch === undefined ? "" : ` (${grouped(p.stepsPerEpoch)} an epoch)`),
    `rate        ${p.config.schedule.peak}, weight decay ${p.config.optimizer.weightDecay}, loss ${p.config.loss.name}`,
    `memory      ${grouped(p.parameterBytes)} bytes of weights, ${grouped(p.optimizerBytes)} bytes of optimizer state`
  ].join("\n")
