import * as tf from "@tensorflow/tfjs-core"
import { Clock, Effect } from "effect"
import type { ImageText, Loss, Optimizer, Schedule } from "../lib/api/index.ts"
import type { BackendShape, UnitError } from "../lib/backend/index.ts"
import type { Batch } from "../lib/data/index.ts"
import type { Clip } from "../lib/models/index.ts"
import type { Key } from "../lib/tensor/index.ts"
import { disposeParams, keyOf } from "../lib/tensor/index.ts"
import type { LogEntry } from "../lib/track/index.ts"
import type { TrainConfig } from "./config.ts"
import type { EncodedBatch } from "./encode.ts"
import { batchTensors, disposeBatch, encodeTraining, tokenizerOf, trainingTransform } from "./encode.ts"
import { NonFiniteLoss } from "./errors.ts"
import type { Position } from "./position.ts"
import {
  accumulate,
  applyUpdate,
  gradientsOf,
  type PassResult,
  type StepGradients,
  type TwoTowerParams
} from "./trainStep.ts"
import { globalNorm } from "../lib/optim/index.ts"

/** Everything that a step needs and that does not change while the run lasts. */
export interface Recipe<P extends TwoTowerParams, S> {
  readonly model: Clip<P>
  readonly loss: Loss
  readonly optimizer: Optimizer<P, S>
  readonly schedule: Schedule
  readonly config: TrainConfig
  readonly backend: BackendShape
}

const lambdasOf = <P extends TwoTowerParams>(model: Clip<P>, params: P): Readonly<Record<string, number>> => {
  const numbers: Record<string, number> = {}
  tf.tidy(() => {
    for (const [name, lambda] of Object.entries(model.lambdas(params))) {
      numbers[name] = lambda.tensor.dataSync()[0] ?? Number.NaN
    }
  })
  return numbers
}

/** The work of one step on micro-batches that are read, as units with pauses between them for the event loop. */
export const makeStep = <P extends TwoTowerParams, S>(
  { model, loss, optimizer, schedule, config, backend }: Recipe<P, S>
) => {
  const transform = trainingTransform(model.transform, config.augmentation)
  const tokenizer = tokenizerOf(model.transform.text)
  const key: Key = keyOf(config.seed)

  const encode = ({ samples, cursor }: Batch<ImageText>): EncodedBatch =>
    encodeTraining(transform, tokenizer, key, cursor.epoch, samples)

  const pass = (params: P, encoded: EncodedBatch): PassResult<P> => {
    const batch = batchTensors(model.transform, encoded)
    try {
      return gradientsOf(model, loss, params, batch, config.updateFreq)
    } finally {
      disposeBatch(batch)
    }
  }

  /**
   * Gradients of all micro-batches, one update, one log entry. `position` moves only when the whole step is done; when it
   * is interrupted or fails before, the gradients are freed and nothing has changed.
   */
  return (
    position: Position<P, S>,
    microBatches: ReadonlyArray<Batch<ImageText>>,
    dataWaitMs: number
  ): Effect.Effect<LogEntry, UnitError | NonFiniteLoss> =>
    Effect.suspend(() => {
      let held: StepGradients<P> | undefined
      return Effect.gen(function* () {
        const begin = yield* Clock.currentTimeMillis
        for (const batch of microBatches) {
          const encoded = encode(batch)
          yield* backend.sync(() => {
            const result = pass(position.params, encoded)
            const before = held
            held = undefined // accumulate consumes what was held, also when it throws
            held = accumulate(before, result)
          })
          yield* Effect.yieldNow
        }
        const total = held
        if (total === undefined) return yield* Effect.die(new RangeError("a step needs at least one micro-batch"))
        const gradNorm = yield* backend.sync(() => globalNorm(total.grads))
        const meanLoss = total.loss.reduce((sum, value) => sum + value, 0) / total.loss.length
        if (!Number.isFinite(meanLoss) || !Number.isFinite(gradNorm)) {
          return yield* notFinite(position.step + 1, meanLoss, gradNorm)
        }
        const lr = schedule(position.step)
        const cursor = microBatches.at(-1)?.cursor ?? position.cursor
        const { logitScale, lambda } = yield* backend.sync(() => {
          held = undefined // the update consumes them
          position.isWhole = false
          const next = applyUpdate(optimizer, total.grads, position.state, position.params, lr, config.logitScaleClamp)
          position.params = next.params
          position.state = next.state
          position.step += 1
          position.cursor = cursor
          position.isWhole = true
          return { logitScale: next.logitScale, lambda: lambdasOf(model, next.params) }
        })
        const seconds = ((yield* Clock.currentTimeMillis) - begin + dataWaitMs) / 1000
        const pairs = microBatches.reduce((count, batch) => count + batch.samples.length, 0)
        const memory = yield* backend.memory
        return {
          step: position.step,
          loss: meanLoss,
          accuracy: total.correct.reduce((sum, hits) => sum + hits, 0) / pairs,
          lr,
          logitScale: Math.exp(logitScale),
          gradNorm,
          lambda,
          pairsPerSecond: pairs / seconds,
          dataWaitMs,
          peakBytes: memory.peakBytes
        }
      }).pipe(
        Effect.onExit(() =>
          Effect.sync(() => {
            if (held !== undefined) disposeParams(held.grads)
          })
        )
      )
    })
}

const notFinite = (step: number, loss: number, gradNorm: number): NonFiniteLoss =>
  new NonFiniteLoss({
    step,
    loss,
    gradNorm,
    lastFiniteStep: step - 1,
    savedAt: "",
    message: `step ${step}: expected a finite loss and gradient, found loss ${loss} and gradient norm ${gradNorm}`
  })
