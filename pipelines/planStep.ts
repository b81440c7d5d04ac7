import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import type { ImageTextBatch } from "../lib/api/index.ts"
import type { PlannedWork, Planning, PlanningOptions, PlanOn } from "../lib/backend/index.ts"
import { mapSpecs } from "../lib/nn/index.ts"
import * as ops from "../lib/ops/index.ts"
import { clipByGlobalNorm, globalNorm } from "../lib/optim/index.ts"
import { disposeParams, value } from "../lib/tensor/index.ts"
import { embedPass, lossPass, type PairEmbeddings, pullPass } from "./cachedStep.ts"
import { disposeBatch } from "./encode.ts"
import { passOptionsOf } from "./gradients.ts"
import { disposeState } from "./position.ts"
import type { Recipe } from "./training.ts"
import {
  accumulate,
  addGradients,
  applyUpdate,
  disposeFigures,
  gradientsOf,
  type StepGradients,
  type TwoTowerParams
} from "./trainStep.ts"

/** A part of a step: `embed`, `loss` and `passes` where embeddings are cached, otherwise `passes`; then `update`. */
export type PhaseName = "state" | "embed" | "loss" | "passes" | "update"

/** What a part of a step holds at most, everything that lives beside it included, and what it computes. */
export interface PlannedPhase {
  readonly name: PhaseName
  readonly peakBytes: number
  readonly work: PlannedWork
}

/** One training step as the CPU engine would do it. */
export interface PlannedStep {
  /** The most that tensors, temporaries and the engine's own blocks occupy at once. */
  readonly peakBytes: number
  /** What the engine's memories take from the machine: the peak, and pieces between blocks. */
  readonly reachedBytes: number
  /** Weights, optimizer state and packing scratch, which live from step to step. */
  readonly stateBytes: number
  readonly phases: ReadonlyArray<PlannedPhase>
  /** Of the whole step. */
  readonly work: PlannedWork
}

/** What a step is planned for: a recipe without an engine. */
export type PlannedRecipe<P extends TwoTowerParams, S> = Omit<Recipe<P, S>, "backend" | "schedule">

const NONE: PlannedWork = { productFlops: 0, elements: 0, calls: 0 }

const times = ({ productFlops, elements, calls }: PlannedWork, count: number): PlannedWork => ({
  productFlops: productFlops * count,
  elements: elements * count,
  calls: calls * count
})

const plus = (a: PlannedWork, b: PlannedWork): PlannedWork => ({
  productFlops: a.productFlops + b.productFlops,
  elements: a.elements + b.elements,
  calls: a.calls + b.calls
})

/** Sizes of the pieces of `count` pairs, the last of which may be smaller. */
const piecesOf = (count: number, size: number): ReadonlyArray<number> =>
  Array.from({ length: Math.ceil(count / size) }, (_, i) => Math.min(size, count - i * size))

/** What the parts of a step have in common: where they plan, and for what. */
interface Scene<P extends TwoTowerParams, S> {
  readonly planning: Planning
  readonly recipe: PlannedRecipe<P, S>
  readonly params: P
}

/** Calls `use` with a batch of so many pairs and frees it. */
const withBatch = <P extends TwoTowerParams, S, A>(
  { planning, recipe: { model } }: Scene<P, S>,
  size: number,
  use: (batch: ImageTextBatch) => A
): A => {
  const { image, text } = model.transform
  const images = planning.tensor([size, 3, image.size, image.size])
  const tokens = planning.tensor([size, text.contextLength], "int32")
  try {
    return use({ images, tokens })
  } finally {
    disposeBatch({ images, tokens })
  }
}

/** Batch after batch, their gradients added. Those between the second and the last are like the second. */
const accumulated = <P extends TwoTowerParams, S>(
  scene: Scene<P, S>
): { readonly gradients: StepGradients<P>; readonly work: PlannedWork } => {
  const { planning, params, recipe: { model, loss, config, lrScaleOf } } = scene
  const shown = Math.min(config.updateFreq, 3)
  let gradients: StepGradients<P> | undefined
  let work = NONE
  for (let i = 0; i < shown; i++) {
    gradients = withBatch(scene, config.batchSize, (batch) => {
      const pass = gradientsOf(model, loss, params, batch, config.updateFreq, passOptionsOf(config, lrScaleOf))
      return accumulate(gradients, pass)
    })
    work = plus(work, times(planning.takeWork(), i === 1 ? 1 + config.updateFreq - shown : 1))
  }
  if (gradients === undefined) throw new Error("planStep: no batch")
  return { gradients, work }
}

/** The three kinds of units of `cachedStep.ts`. Pieces that are like a neighbour are not run, but stand for theirs. */
const cached = <P extends TwoTowerParams, S>(
  scene: Scene<P, S>,
  microBatch: number,
  phase: (name: PhaseName, work: PlannedWork) => void
): { readonly gradients: StepGradients<P>; readonly work: PlannedWork } => {
  const { planning, params, recipe: { model, loss, config, lrScaleOf } } = scene
  const pieces = piecesOf(config.batchSize, microBatch)
  // All pieces but a smaller last one are alike: each kind runs once where it has the most beside it.
  const whole = pieces.filter((size) => size === microBatch).length
  const embedded = (size: number): Tensor => planning.tensor([size, model.embedDim])
  const parts: Array<PairEmbeddings> = []
  let work = NONE
  for (const [i, size] of pieces.entries()) {
    if (i < whole - 1) {
      parts.push({ imageEmbed: embedded(size), textEmbed: embedded(size) })
      continue
    }
    parts.push(withBatch(scene, size, (batch) => embedPass(model, params, batch)))
    work = plus(work, times(planning.takeWork(), i === whole - 1 ? whole : 1))
  }
  phase("embed", work)
  const result = lossPass(model, loss, params, parts)
  for (const { imageEmbed, textEmbed } of parts) [imageEmbed, textEmbed].forEach((tensor) => tensor.dispose())
  phase("loss", planning.takeWork())
  work = NONE
  let sum: P | undefined
  for (const [i, size] of pieces.entries()) {
    if (i > 1 && i < whole) continue
    const pass = withBatch(
      scene,
      size,
      (batch) => pullPass(model, params, batch, result.grads, i * microBatch, passOptionsOf(config, lrScaleOf))
    )
    sum = sum === undefined ? pass : addGradients(sum, pass)
    work = plus(work, times(planning.takeWork(), i === 1 && i < whole ? whole - 1 : 1))
  }
  if (sum === undefined) throw new Error("planStep: no micro-batch")
  for (const tensor of [result.grads.imageEmbed, result.grads.textEmbed, result.grads.logitScale]) tensor.dispose()
  return { gradients: { grads: sum, loss: [result.loss], correct: [result.correct] }, work }
}

/** The figures of a step and its update, as in `training.ts`. */
const update = <P extends TwoTowerParams, S>(
  { params, recipe: { model, optimizer, config } }: Scene<P, S>,
  state: S,
  { grads, loss, correct }: StepGradients<P>
): { readonly params: P; readonly state: S } => {
  tf.tidy(() => ops.raw.pack([...loss, ...correct, globalNorm(grads)])).dispose()
  disposeFigures({ grads, loss, correct })
  const clipped = config.gradientClip === null ?
    grads :
    clipByGlobalNorm<P>(config.gradientClip.maxNorm).update(grads, null, grads)[0]
  const next = applyUpdate(optimizer, clipped, state, params, 1e-3, config.logitScaleClamp)
  next.logitScaleBeforeClamp.dispose()
  tf.tidy(() => ops.raw.pack([next.params.logitScale.tensor, ...tensorsOf(model.lambdas(next.params))])).dispose()
  return { params: next.params, state: next.state }
}

const tensorsOf = (values: Readonly<Record<string, { readonly tensor: Tensor }>>): ReadonlyArray<Tensor> =>
  Object.values(values).map(({ tensor }) => tensor)

/**
 * Plans one step of a recipe on an engine (`planOnCpu`): the very units of a training step, on memory that only counts. The time
 * it takes does not grow with the number of micro-batches. Throws OutOfMemory where `options.arenas` are too few.
 */
export const planStep = <P extends TwoTowerParams, S>(
  recipe: PlannedRecipe<P, S>,
  planOn: PlanOn,
  options: PlanningOptions = {}
): PlannedStep =>
  planOn((planning) => {
    const phases: Array<PlannedPhase> = []
    const phase = (name: PhaseName, work: PlannedWork): void => {
      phases.push({ name, peakBytes: planning.usage().peakBytes, work })
      planning.resetPeak()
    }
    const { model, optimizer, config } = recipe
    const params = mapSpecs<P>(model.specs, ({ spec }) => value(planning.tensor(spec.shape)))
    const state = optimizer.init(params)
    const stateBytes = planning.usage().bytesInUse
    phase("state", NONE)
    planning.takeWork()
    const scene = { planning, recipe, params }
    const { microBatch, batchSize } = config
    const { gradients, work } = microBatch !== null && microBatch < batchSize ?
      cached(scene, microBatch, phase) :
      accumulated(scene)
    phase("passes", work)
    const next = update(scene, state, gradients)
    phase("update", planning.takeWork())
    const { reachedBytes } = planning.usage()
    disposeParams(next.params)
    disposeState(next.state)
    return {
      peakBytes: Math.max(...phases.map(({ peakBytes }) => peakBytes)),
      reachedBytes,
      stateBytes,
      phases,
      work: phases.reduce((sum, part) => plus(sum, part.work), NONE)
    }
  }, options)
