import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import { Effect } from "effect"
import type { ImageTextBatch } from "../../lib/api/index.ts"
import { contrastive } from "../../lib/losses/index.ts"
import type { Clip, ClipParams } from "../../lib/models/index.ts"
import type { AdamWOptions, AdamWState } from "../../lib/optim/index.ts"
import { adamW, globalNorm } from "../../lib/optim/index.ts"
import type { Params } from "../../lib/tensor/index.ts"
import { disposeParams, leavesOf } from "../../lib/tensor/index.ts"
import type { Engine, Reading } from "../reading.ts"
import { allReadings, known, mapReading, pairReadings, perform, readingOf, readingOfCopy } from "../reading.ts"
import type { StepGradients } from "../trainStep.ts"
import { accumulate, applyUpdate, disposeFigures, disposeStep, gradientsOf } from "../trainStep.ts"

/** A tree of tensors on the host, by path. */
export type HostTree = ReadonlyMap<string, Float32Array>

/** What a run did, step after step. Losses and accuracies (percent) are per micro-batch, before the update. */
export interface Trajectory {
  readonly losses: ReadonlyArray<number>
  readonly accuracies: ReadonlyArray<number>
  readonly gradNorms: ReadonlyArray<number>
  readonly beforeClamp: ReadonlyArray<number>
  readonly afterClamp: ReadonlyArray<number>
  /** Gradients in step 0. */
  readonly grad0: HostTree
  /** Parameters after step 0, and after the last. */
  readonly after1: HostTree
  readonly final: HostTree
}

/** What is run: the rate of each step, AdamW's settings, and the micro-batches of a step, made in the scope of the call. */
export interface Run {
  readonly rates: ReadonlyArray<number>
  readonly optimizer: AdamWOptions
  readonly clamp: readonly [number, number]
  readonly microBatches: (step: number) => ReadonlyArray<ImageTextBatch>
}

/** What one step leaves behind on the host. */
interface StepRecord {
  readonly loss: ReadonlyArray<number>
  readonly accuracies: ReadonlyArray<number>
  readonly gradNorm: number
  readonly logitScaleBeforeClamp: number
  readonly logitScale: number
  readonly grad0: HostTree
  readonly after: HostTree
}

const none: HostTree = new Map()

const readTree = (tree: Params): Reading<HostTree> => {
  const leaves = leavesOf(tree)
  return mapReading(
    allReadings(leaves.map(({ value }) => readingOfCopy(value.tensor))),
    (numbers) => new Map(leaves.map(({ path }, i) => [path, numbers[i] ?? new Float32Array()]))
  )
}

const readScalars = (scalars: ReadonlyArray<Tensor>): Reading<ReadonlyArray<number>> =>
  mapReading(allReadings(scalars.map(readingOf)), (numbers) => numbers.map(([number = Number.NaN]) => number))

/** Where a run stands: the owner of all that lives from unit to unit. */
interface Standing<P extends Params> {
  params: P
  state: AdamWState<P>
  held: StepGradients<P> | undefined
}

const disposeStanding = <P extends Params>({ params, state, held }: Standing<P>): void => {
  if (held !== undefined) disposeStep(held)
  for (const tree of [params, state.mu, state.nu]) disposeParams(tree)
}

/**
 * Trains with the very functions that `Pipeline.train` uses; nothing is left on the engine. `init` makes the parameters,
 * in the scope of the first unit.
 */
export const trajectoryOf = <VA, TA, E>(
  engine: Engine<E>,
  model: Clip<ClipParams<VA, TA>>,
  init: () => ClipParams<VA, TA>,
  { rates, optimizer: options, clamp, microBatches }: Run
): Effect.Effect<Trajectory, E> => {
  type P = ClipParams<VA, TA>
  const optimizer = adamW<P>(options)
  const start = (): Standing<P> => {
    let params: P | undefined
    tf.tidy(() => {
      params = init()
      for (const { value } of leavesOf(params)) tf.keep(value.tensor)
    })
    if (params === undefined) throw new Error("trajectoryOf: the parameters were not made")
    return { params, state: optimizer.init(params), held: undefined }
  }

  /** Gradients of all micro-batches; `held` owns them until the update. */
  const gradients = (at: Standing<P>, step: number) => (): Reading<Omit<StepRecord, keyof Updated>> => {
    const batches = microBatches(step)
    for (const batch of batches) {
      at.held = accumulate(at.held, gradientsOf(model, contrastive.exact, at.params, batch, batches.length))
    }
    if (at.held === undefined) throw new RangeError(`step ${step}: expected at least one micro-batch, found none`)
    const { grads, loss, correct } = at.held
    const figures = readScalars([...[...loss, ...correct].map((scalar) => tf.clone(scalar)), globalNorm(grads)])
    return pairReadings(figures, step === 0 ? readTree(grads) : known(none), (numbers, grad0) => ({
      loss: numbers.slice(0, loss.length),
      accuracies: numbers.slice(loss.length, -1).map((n, u) => 100 * n / (batches[u]?.images.shape[0] ?? 0)),
      gradNorm: numbers.at(-1) ?? Number.NaN,
      grad0
    }))
  }

  const update = (at: Standing<P>, lr: number, isKept: boolean) => (): Reading<Updated> => {
    if (at.held === undefined) throw new Error("trajectoryOf: an update without gradients")
    const { held } = at
    at.held = undefined // the update consumes them
    disposeFigures(held)
    const updated = applyUpdate(optimizer, held.grads, at.state, at.params, lr, clamp)
    at.params = updated.params
    at.state = updated.state
    const scales = readScalars([updated.logitScaleBeforeClamp, tf.clone(updated.params.logitScale.tensor)])
    return pairReadings(
      scales,
      isKept ? readTree(at.params) : known(none),
      ([logitScaleBeforeClamp = Number.NaN, logitScale = Number.NaN], after) => ({
        logitScaleBeforeClamp,
        logitScale,
        after
      })
    )
  }

  const runAll = (at: Standing<P>): Effect.Effect<ReadonlyArray<StepRecord>, E> =>
    Effect.forEach(rates, (lr, step) =>
      Effect.gen(function* () {
        const before = yield* perform(engine, gradients(at, step))
        const after = yield* perform(engine, update(at, lr, step === 0 || step === rates.length - 1))
        return { ...before, ...after }
      }))

  const release = (at: Standing<P>): Effect.Effect<void> => Effect.sync(() => disposeStanding(at))
  return Effect.map(Effect.acquireUseRelease(engine.sync(start), runAll, release), trajectoryFrom)
}

type Updated = Pick<StepRecord, "logitScaleBeforeClamp" | "logitScale" | "after">

const trajectoryFrom = (records: ReadonlyArray<StepRecord>): Trajectory => ({
  losses: records.flatMap(({ loss }) => loss),
  accuracies: records.flatMap(({ accuracies }) => accuracies),
  gradNorms: records.map(({ gradNorm }) => gradNorm),
  beforeClamp: records.map(({ logitScaleBeforeClamp }) => logitScaleBeforeClamp),
  afterClamp: records.map(({ logitScale }) => logitScale),
  grad0: records[0]?.grad0 ?? none,
  after1: records[0]?.after ?? none,
  final: records.at(-1)?.after ?? none
})
