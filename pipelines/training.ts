import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import { Clock, Effect } from "effect"
import type { ImageText, Loss, Optimizer, Schedule } from "../lib/api/index.ts"
import type { BackendShape, UnitError } from "../lib/backend/index.ts"
import type { Batch } from "../lib/data/index.ts"
import type { Clip } from "../lib/models/index.ts"
import * as ops from "../lib/ops/index.ts"
import { clipByGlobalNorm, globalNorm } from "../lib/optim/index.ts"
import type { LogEntry } from "../lib/track/index.ts"
import type { TrainConfig } from "./config.ts"
import { NonFiniteLoss } from "./errors.ts"
import { type Held, makeGradients } from "./gradients.ts"
import type { Position } from "./position.ts"
import { applyUpdate, disposeFigures, disposeStep, type StepGradients, type TwoTowerParams } from "./trainStep.ts"

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
  recipe: Recipe<P, S>
) => {
  const gradients = makeGradients(recipe)
  const figures = watchFigures(recipe.optimizer)
  const { model, optimizer, schedule, config, backend } = recipe

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
      const held: Held<P> = { gradients: undefined }
      return Effect.gen(function* () {
        const begin = yield* Clock.currentTimeMillis
        yield* gradients(position.params, microBatches, held, optimizer.lossScaleOf?.(position.state))
        const total = held.gradients
        if (total === undefined) return yield* Effect.die(new RangeError("a step needs at least one micro-batch"))
        const { loss, correct, gradNorm } = yield* figuresOf(backend, total)
        if (figures.mustStop(loss, gradNorm)) {
          return yield* notFinite(position.step + 1, loss, gradNorm)
        }
        const lr = schedule(position.step)
        const cursor = microBatches.at(-1)?.cursor ?? position.cursor
        const pairs = microBatches.reduce((count, batch) => count + batch.samples.length, 0)
        const update = backend.sync(() => {
          held.gradients = undefined // the update consumes them
          disposeFigures(total)
          position.isWhole = false
          const grads = clipGradients(total.grads, config.gradientClip)
          const next = applyUpdate(optimizer, grads, position.state, position.params, lr, config.logitScaleClamp)
          next.logitScaleBeforeClamp.dispose()
          position.params = next.params
          position.state = next.state
          position.step += 1
          position.cursor = cursor
        })
        const finish = Effect.gen(function* () {
          yield* update
          position.isWhole = true // a device that took the update and reported an error has not done it
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
            if (held.gradients !== undefined) disposeStep(held.gradients)
          })
        )
      )
    })
}

/** Gradients whose norm is at most `maxNorm`; consumes those given. */
export const clipGradients = <P extends TwoTowerParams>(grads: P, limit: TrainConfig["gradientClip"]): P =>
  limit === null ? grads : clipByGlobalNorm<P>(limit.maxNorm).update(grads, null, grads)[0]

/** Steps in a row that may be left out before the gradients are taken for broken: 2^-40 of the first scale. */
const MOST_LEFT_OUT = 40

/** Watches a run's figures: `mustStop` says of each step in turn whether the run ends there. */
export const watchFigures = <P extends TwoTowerParams, S>(
  optimizer: Optimizer<P, S>
): { readonly mustStop: (loss: number, gradNorm: number) => boolean } => {
  let numLeftOut = 0
  return {
    mustStop: (loss, gradNorm) => {
      numLeftOut = Number.isFinite(gradNorm) ? 0 : numLeftOut + 1
      return isBroken(optimizer, loss, gradNorm) || numLeftOut > MOST_LEFT_OUT
    }
  }
}

/**
 * Whether a run must stop at these figures. Where the loss is scaled, a gradient that overflowed is no error: the update
 * changes nothing and the scale gets smaller.
 */
const isBroken = <P extends TwoTowerParams, S>(
  { lossScaleOf }: Optimizer<P, S>,
  loss: number,
  gradNorm: number
): boolean => !Number.isFinite(loss) || (!Number.isFinite(gradNorm) && lossScaleOf === undefined)

/** The error of a step whose figures are not finite, before its state is saved. */
export const notFinite = (step: number, loss: number, gradNorm: number): NonFiniteLoss =>
  new NonFiniteLoss({
    step,
    loss,
    gradNorm,
    lastFiniteStep: step - 1,
    savedAt: "",
    message: `step ${step}: expected a finite loss and gradient, found loss ${loss} and gradient norm ${gradNorm}`
  })
