import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import type { ImageTextBatch } from "../../lib/api/index.ts"
import { contrastive } from "../../lib/losses/index.ts"
import type { Clip, ClipParams } from "../../lib/models/index.ts"
import type { AdamWOptions } from "../../lib/optim/index.ts"
import { adamW, globalNorm } from "../../lib/optim/index.ts"
import type { Params } from "../../lib/tensor/index.ts"
import { disposeParams, leavesOf } from "../../lib/tensor/index.ts"
import type { StepGradients } from "../trainStep.ts"
import { accumulate, applyUpdate, disposeFigures, gradientsOf } from "../trainStep.ts"
import { read } from "./tensors.ts"

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

const numberOf = (scalar: Tensor): number => read(scalar)[0] ?? Number.NaN

const none: HostTree = new Map()
const hostTree = (tree: Params): HostTree => new Map(leavesOf(tree).map(({ path, value }) => [path, read(value)]))

/** Trains with the very functions that `Pipeline.train` uses. Consumes `init`; nothing is left on the backend. */
export const trajectoryOf = <VA, TA>(
  model: Clip<ClipParams<VA, TA>>,
  init: ClipParams<VA, TA>,
  { rates, optimizer: options, clamp, microBatches }: Run
): Trajectory => {
  const optimizer = adamW<ClipParams<VA, TA>>(options)
  let params = init
  let state = optimizer.init(init)
  let held: StepGradients<ClipParams<VA, TA>> | undefined
  const records: Array<StepRecord> = []
  const runStep = (lr: number, step: number): void => {
    tf.tidy(() => {
      const batches = microBatches(step)
      for (const batch of batches) {
        held = accumulate(held, gradientsOf(model, contrastive.exact, params, batch, batches.length))
      }
      if (held === undefined) throw new RangeError(`step ${step}: expected at least one micro-batch, found none`)
      const { grads } = held
      const loss = held.loss.map(numberOf)
      const correct = held.correct.map(numberOf)
      const gradNorm = numberOf(globalNorm(grads))
      disposeFigures(held)
      const grad0 = step === 0 ? hostTree(grads) : none
      held = undefined // the update consumes them
      const updated = applyUpdate(optimizer, grads, state, params, lr, clamp)
      params = updated.params
      state = updated.state
      const accuracies = correct.map((n, u) => 100 * n / (batches[u]?.images.shape[0] ?? 0))
      const isKept = step === 0 || step === rates.length - 1
      const logitScale = numberOf(params.logitScale.tensor)
      const logitScaleBeforeClamp = numberOf(updated.logitScaleBeforeClamp)
      updated.logitScaleBeforeClamp.dispose()
      const after = isKept ? hostTree(params) : none
      records.push({ loss, accuracies, gradNorm, logitScale, logitScaleBeforeClamp, grad0, after })
    })
  }
  try {
    rates.forEach(runStep)
    return {
      losses: records.flatMap(({ loss }) => loss),
      accuracies: records.flatMap(({ accuracies }) => accuracies),
      gradNorms: records.map(({ gradNorm }) => gradNorm),
      beforeClamp: records.map(({ logitScaleBeforeClamp }) => logitScaleBeforeClamp),
      afterClamp: records.map(({ logitScale }) => logitScale),
      grad0: records[0]?.grad0 ?? none,
      after1: records[0]?.after ?? none,
      final: records.at(-1)?.after ?? none
    }
  } finally {
    if (held !== undefined) disposeFigures(held)
    for (const tree of [params, state.mu, state.nu, ...held === undefined ? [] : [held.grads]]) disposeParams(tree)
  }
}
