import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import { Cause, Clock, Effect, Exit } from "effect"
import type { Cursor } from "../lib/api/index.ts"
import type { BackendShape, UnitError } from "../lib/backend/index.ts"
import * as ops from "../lib/ops/index.ts"
import { globalNorm } from "../lib/optim/index.ts"
import type { LogEntry } from "../lib/track/index.ts"
import { type Held, makeGradients } from "./gradients.ts"
import { recordEncoding } from "./metrics.ts"
import type { Position } from "./position.ts"
import { type FlatState, flattenState, withNumbers } from "./stateTree.ts"
import type { Steps } from "./steps.ts"
import { clipGradients, notFinite, type Recipe, watchFigures } from "./training.ts"
import { applyUpdateIf, disposeFigures, disposeStep, type TwoTowerParams } from "./trainStep.ts"

/** Reads that begin now and are waited for later, as the Backend service of a GPU has them. */
export type ReadLater = NonNullable<BackendShape["readLater"]>

/** A step that was encoded and whose figures were not read yet. */
interface Pending {
  readonly packed: Tensor
  readonly wait: Effect.Effect<Float32Array, UnitError>
  readonly figures: { readonly numLosses: number; readonly lambdas: ReadonlyArray<string> }
  readonly told: { readonly lr: number; readonly pairs: number; readonly beganMs: number; readonly dataWaitMs: number }
  /** What the position was before; the tensors of a step that is not finite are those of the step before. */
  readonly before: { readonly step: number; readonly cursor: Cursor; readonly numbers: FlatState["numbers"] }
}

/** The numbers of a step as `pack` puts them: losses, correct ones, norm, scale, lambdas. */
const unpack = (numbers: Float32Array, { numLosses, lambdas }: Pending["figures"]) => {
  const at = (i: number): number => numbers[i] ?? Number.NaN
  const sum = (from: number): number => numbers.slice(from, from + numLosses).reduce((total, x) => total + x, 0)
  const rest = 2 * numLosses
  return {
    loss: sum(0) / numLosses,
    correct: sum(numLosses),
    gradNorm: at(rest),
    logitScale: Math.exp(at(rest + 1)),
    lambda: Object.fromEntries(lambdas.map((name, i) => [name, at(rest + 2 + i)]))
  }
}

/**
 * Training for an engine that answers late. A step reads one small tensor, while the next one is uploaded and encoded: the
 * update does not wait for the figures, it looks at them on the device and writes nothing where they are not finite. Its
 * figures are known before the next update is encoded, so at most the passes of one step are done in vain; `position` is
 * then put back, and the failure is that of an engine that answers at once. `tell` hears of every finite step in order,
 * and nothing interrupts it.
 */
export const makeLateSteps = <P extends TwoTowerParams, S, E>(
  recipe: Recipe<P, S>,
  readLater: ReadLater,
  position: Position<P, S>,
  tell: (entry: LogEntry) => Effect.Effect<void, E>
): Steps<E> => {
  const { model, optimizer, schedule, config, backend } = recipe
  const watch = watchFigures(optimizer)
  let pending: Pending | undefined
  let settledMs = 0
  let encodeMs = 0
  /** The units of a step, timed: what the host needs to record and submit them. */
  const timed: BackendShape = {
    ...backend,
    sync: (unit) =>
      Effect.flatMap(Clock.Clock, (clock) =>
        backend.sync(() => {
          const begin = clock.currentTimeNanosUnsafe()
          try {
            return unit()
          } finally {
            encodeMs += Number(clock.currentTimeNanosUnsafe() - begin) / 1e6
          }
        }))
  }
  const gradients = makeGradients({ ...recipe, backend: timed })

  const drop = Effect.sync(() => {
    pending?.packed.dispose()
    pending = undefined
  })

  const settle = Effect.suspend(() => {
    if (pending === undefined) return Effect.void
    const { wait, figures, told, before } = pending
    return Effect.uninterruptibleMask((restore) =>
      restore(wait).pipe(
        // An interrupted wait can be taken up again; a failed one has no figures.
        Effect.onExit((exit) => Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? Effect.void : drop),
        Effect.flatMap((numbers) =>
          Effect.gen(function* () {
            const { loss, correct, gradNorm, logitScale, lambda } = unpack(numbers, figures)
            if (watch.mustStop(loss, gradNorm)) {
              Object.assign(position, {
                step: before.step,
                cursor: before.cursor,
                state: withNumbers(position.state, before.numbers)
              })
              return yield* notFinite(before.step + 1, loss, gradNorm)
            }
            const nowMs = yield* Clock.currentTimeMillis
            // Steps overlap: one lasts from the figures of the one before to its own.
            const seconds = (nowMs - Math.max(settledMs, told.beganMs - told.dataWaitMs)) / 1000
            settledMs = nowMs
            yield* tell({
              step: before.step + 1,
              loss,
              accuracy: correct / told.pairs,
              lr: told.lr,
              logitScale,
              gradNorm,
              lambda,
              pairsPerSecond: told.pairs / seconds,
              dataWaitMs: told.dataWaitMs,
              peakBytes: (yield* backend.memory).peakBytes
            })
          })
        )
      )
    )
  })

  const update = (
    held: Held<P>,
    cursor: Cursor,
    told: Pending["told"]
  ): Effect.Effect<void, UnitError> => {
    const lambdas: Array<string> = []
    const before = { step: position.step, cursor: position.cursor, numbers: flattenState(position.state).numbers }
    let packed: Tensor | undefined
    let numLosses = 0
    const unit = timed.sync(() => {
      const total = held.gradients
      if (total === undefined) throw new RangeError("a step needs at least one micro-batch")
      position.isWhole = false
      numLosses = total.loss.length
      // No scope around the update: an optimizer of the caller's owns what it makes.
      const norm = globalNorm(total.grads)
      const isFinite = ops.raw.finite([...total.loss, norm])
      held.gradients = undefined // clipping and the update consume them
      const grads = clipGradients(total.grads, config.gradientClip)
      const next = applyUpdateIf(
        ...[isFinite, optimizer, grads, position.state, position.params, told.lr, config.logitScaleClamp] as const
      )
      Object.assign(position, { params: next.params, state: next.state })
      tf.tidy(() => {
        const values = Object.entries(model.lambdas(next.params))
        lambdas.push(...values.map(([name]) => name))
        const scalars = [...total.loss, ...total.correct, norm, next.params.logitScale.tensor]
        packed = tf.keep(ops.raw.pack([...scalars, ...values.map(([, { tensor }]) => tensor)]))
      })
      for (const tensor of [isFinite, norm]) tensor.dispose()
      disposeFigures(total)
      position.step += 1
      position.cursor = cursor
    })
    return Effect.gen(function* () {
      yield* unit
      position.isWhole = true // a device that took the update and reported an error has not done it
      if (packed === undefined) return
      pending = { packed, wait: yield* readLater(packed), figures: { numLosses, lambdas }, told, before }
      packed = undefined
    }).pipe(Effect.ensuring(Effect.sync(() => packed?.dispose())))
  }

  return {
    step: (microBatches, dataWaitMs) =>
      Effect.suspend(() => {
        const held: Held<P> = { gradients: undefined }
        return Effect.gen(function* () {
          const beganMs = yield* Clock.currentTimeMillis
          encodeMs = 0
          yield* gradients(position.params, microBatches, held, optimizer.lossScaleOf?.(position.state))
          yield* settle
          const pairs = microBatches.reduce((count, batch) => count + batch.samples.length, 0)
          const cursor = microBatches.at(-1)?.cursor ?? position.cursor
          const lr = schedule(position.step)
          yield* Effect.uninterruptible(update(held, cursor, { lr, pairs, beganMs, dataWaitMs }))
          yield* recordEncoding(encodeMs)
        }).pipe(Effect.onExit(() =>
          Effect.sync(() => {
            if (held.gradients !== undefined) disposeStep(held.gradients)
          })
        ))
      }),
    settle,
    drop
  }
}
