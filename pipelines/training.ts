import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import { Clock, Effect } from "effect"
import type { ImageText, Loss, Optimizer, Schedule } from "../lib/api/index.ts"
import type { BackendShape, UnitError } from "../lib/backend/index.ts"
import type { Batch } from "../lib/data/index.ts"
import type { Clip } from "../lib/models/index.ts"
import type { Key } from "../lib/tensor/index.ts"
import * as ops from "../lib/ops/index.ts"
import { globalNorm } from "../lib/optim/index.ts"
import { keyOf } from "../lib/tensor/index.ts"
import type { LogEntry } from "../lib/track/index.ts"
import type { TrainConfig } from "./config.ts"
import type { EncodedBatch } from "./encode.ts"
import { batchTensors, disposeBatch, encodeTraining, tokenizerOf, trainingTransform } from "./encode.ts"
import { NonFiniteLoss } from "./errors.ts"
import type { Position } from "./position.ts"
import {
  accumulate,
  applyUpdate,
  disposeFigures,
  disposeStep,
  gradientsOf,
  type PassResult,
  type StepGradients,
  type TwoTowerParams
} from "./trainStep.ts"

/** Everything that a step needs and that does not change while the run lasts. */
export interface Recipe<P extends TwoTowerParams, S> {
  readonly model: Clip<P>
  readonly loss: Loss
  readonly optimizer: Optimizer<P, S>
  readonly schedule: Schedule
  readonly config: TrainConfig
  readonly backend: BackendShape
  /**
   * What the rate is multiplied by for a parameter, as the optimizer was told; 0 freezes it, and no gradient of it is
   * computed. Default: all are trained.
   */
  readonly lrScaleOf?: (path: string) => number
}

/** The numbers of the scalars that `make` computes in a unit of its own, in one read; frees what `make` makes. */
const readScalars = (
  { sync, read }: BackendShape,
  make: () => ReadonlyArray<Tensor>
): Effect.Effect<ReadonlyArray<number>, UnitError> =>
  Effect.acquireUseRelease(
    sync(() => tf.tidy(() => ops.raw.pack(make()))),
    (packed) => Effect.map(read(packed), (numbers) => [...numbers]),
    (packed) => Effect.sync(() => packed.dispose())
  )

/** What a step did before its update: the mean loss, how many pairs were right, and the norm of the gradient. */
const figuresOf = <P extends TwoTowerParams>(
  backend: BackendShape,
  { grads, loss, correct }: StepGradients<P>
): Effect.Effect<{ readonly loss: number; readonly correct: number; readonly gradNorm: number }, UnitError> =>
  Effect.map(readScalars(backend, () => [...loss, ...correct, globalNorm(grads)]), (numbers) => ({
    loss: sum(numbers.slice(0, loss.length)) / loss.length,
    correct: sum(numbers.slice(loss.length, loss.length + correct.length)),
    gradNorm: numbers.at(-1) ?? Number.NaN
  }))

const sum = (numbers: ReadonlyArray<number>): number => numbers.reduce((total, number) => total + number, 0)

/** What a model says of itself after an update: its logit scale and each lambda by name. */
const selfOf = <P extends TwoTowerParams>(
  backend: BackendShape,
  model: Clip<P>,
  params: P
): Effect.Effect<Pick<LogEntry, "logitScale" | "lambda">, UnitError> => {
  let names: ReadonlyArray<string> = []
  const scalars = (): ReadonlyArray<Tensor> => {
    const lambdas = Object.entries(model.lambdas(params))
    names = lambdas.map(([name]) => name)
    return [params.logitScale.tensor, ...lambdas.map(([, lambda]) => lambda.tensor)]
  }
  return Effect.map(readScalars(backend, scalars), ([logitScale = Number.NaN, ...lambdas]) => ({
    logitScale: Math.exp(logitScale),
    lambda: Object.fromEntries(names.map((name, i) => [name, lambdas[i] ?? Number.NaN]))
  }))
}

/** The work of one step on micro-batches that are read, as units with pauses between them for the event loop. */
export const makeStep = <P extends TwoTowerParams, S>(
  { model, loss, optimizer, schedule, config, backend, lrScaleOf = () => 1 }: Recipe<P, S>
) => {
  const isTrained = (path: string): boolean => lrScaleOf(path) !== 0
  const transform = trainingTransform(model.transform, config.augmentation)
  const tokenizer = tokenizerOf(model.transform.text)
  const key: Key = keyOf(config.seed)

  const encode = ({ samples, cursor }: Batch<ImageText>): EncodedBatch =>
    encodeTraining(transform, tokenizer, key, cursor.epoch, samples)

  const pass = (params: P, encoded: EncodedBatch): PassResult<P> => {
    const batch = batchTensors(model.transform, encoded)
    try {
      return gradientsOf(model, loss, params, batch, config.updateFreq, { isTrained })
    } finally {
      disposeBatch(batch)
    }
  }

  /**
   * Gradients of all micro-batches, one update, one log entry for `whenDone`. `position` moves only when the whole step
   * is done; when it is interrupted or fails before, the gradients are freed and nothing has changed. From the update to
   * the end of `whenDone` nothing interrupts: a step that is saved is in the log.
   */
  return <E>(
    position: Position<P, S>,
    microBatches: ReadonlyArray<Batch<ImageText>>,
    dataWaitMs: number,
    whenDone: (entry: LogEntry) => Effect.Effect<void, E>
  ): Effect.Effect<LogEntry, UnitError | NonFiniteLoss | E> =>
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
        const { loss, correct, gradNorm } = yield* figuresOf(backend, total)
        if (!Number.isFinite(loss) || !Number.isFinite(gradNorm)) {
          return yield* notFinite(position.step + 1, loss, gradNorm)
        }
        const lr = schedule(position.step)
        const cursor = microBatches.at(-1)?.cursor ?? position.cursor
        const pairs = microBatches.reduce((count, batch) => count + batch.samples.length, 0)
        const update = backend.sync(() => {
          held = undefined // the update consumes the gradients
          disposeFigures(total)
          position.isWhole = false
          const next = applyUpdate(optimizer, total.grads, position.state, position.params, lr, config.logitScaleClamp)
          next.logitScaleBeforeClamp.dispose()
          position.params = next.params
          position.state = next.state
          position.step += 1
          position.cursor = cursor
          position.isWhole = true
        })
        const finish = Effect.gen(function* () {
          yield* update
          const self = yield* selfOf(backend, model, position.params)
          const seconds = ((yield* Clock.currentTimeMillis) - begin + dataWaitMs) / 1000
          const entry: LogEntry = {
            step: position.step,
            loss,
            accuracy: correct / pairs,
            lr,
            logitScale: self.logitScale,
            gradNorm,
            lambda: self.lambda,
            pairsPerSecond: pairs / seconds,
            dataWaitMs,
            peakBytes: (yield* backend.memory).peakBytes
          }
          yield* whenDone(entry)
          return entry
        })
        return yield* Effect.uninterruptible(finish)
      }).pipe(
        Effect.onExit(() =>
          Effect.sync(() => {
            if (held !== undefined) disposeStep(held)
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
