import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import type { Embeddings, ImageTextBatch, Loss, Model, Optimizer } from "../lib/api/index.ts"
import * as ops from "../lib/ops/index.ts"
import type { Params, Value, VjpOptions } from "../lib/tensor/index.ts"
import { flattenState, mapState } from "./stateTree.ts"
import { disposeParams, leavesOf, mapParams, value, vjp, zipParams } from "../lib/tensor/index.ts"

/** Parameters that can be trained; only the scale is known by name, for the clamp. */
export type TwoTowerParams = Params & { readonly logitScale: Value }

/**
 * One pass over one micro-batch. All tensors are the caller's and none is read here: a GPU answers between units only.
 * `loss` is a scalar that is not divided by the divisor.
 */
export interface PassResult<P extends Params> {
  readonly grads: P
  readonly loss: Tensor
  /** Images whose own text has the largest logit, a scalar. */
  readonly correct: Tensor
}

/** What the micro-batches of a step say so far; `loss` and `correct` hold a scalar a micro-batch, the caller's. */
export interface StepGradients<P extends Params> {
  /** The sum of the passes' gradients, the caller's; `accumulate` and `applyUpdate` consume them. */
  readonly grads: P
  readonly loss: ReadonlyArray<Tensor>
  readonly correct: ReadonlyArray<Tensor>
}

/** Frees the scalars of a step, whose gradients an update has consumed. */
export const disposeFigures = <P extends Params>({ loss, correct }: StepGradients<P>): void => {
  for (const scalar of [...loss, ...correct]) scalar.dispose()
}

/** Frees everything that a step holds before its update. */
export const disposeStep = <P extends Params>(step: StepGradients<P>): void => {
  disposeParams(step.grads)
  disposeFigures(step)
}

/** What a pass differentiates, what it remembers, and how it computes. */
export interface PassOptions extends VjpOptions {
  /**
   * The loss is multiplied by this scalar before the backward pass and the gradients are divided by it behind, so that
   * small ones survive in 16-bit floats; default 1. It stays the caller's.
   */
  readonly lossScale?: Tensor
}

/** Gradients divided by the loss scale. Consumes those given. */
export const unscaled = <P extends Params>(grads: P, lossScale: Tensor | undefined): P => {
  if (lossScale === undefined) return grads
  const inverse = tf.tidy(() => tf.reciprocal(lossScale))
  const divided = mapParams(grads, ({ tensor }) => {
    const own = tf.keep(tf.tidy(() => ops.raw.scaleBy(tensor, inverse)))
    tensor.dispose()
    return value(own)
  })
  inverse.dispose()
  return divided
}

/**
 * Forward and backward of one micro-batch: the gradients of loss / `divisor` for the parameters that are trained.
 * Everything but the result is freed, also when it throws. Parameters and batch stay the caller's.
 */
export const gradientsOf = <P extends TwoTowerParams>(
  model: Model<P, ImageTextBatch, Embeddings>,
  loss: Loss,
  params: P,
  batch: ImageTextBatch,
  divisor: number,
  { lossScale, ...options }: PassOptions = {}
): PassResult<P> => {
  const { outputs, pullback } = vjp(params, (lifted) => loss.compute(model.apply(lifted, batch)), options)
  const seed = tf.tidy(() => {
    const share = tf.fill(outputs.loss.tensor.shape, 1 / divisor)
    return lossScale === undefined ? share : tf.mul(share, lossScale)
  })
  try {
    const grads = unscaled(pullback({ loss: seed }), lossScale) // the pullback frees the residuals, also when it throws
    return { grads, loss: outputs.loss.tensor, correct: outputs.correct.tensor }
  } catch (error) {
    disposeParams(outputs)
    throw error
  } finally {
    seed.dispose()
  }
}

/** The sum of two trees of gradients, leaf by leaf, so that no third tree exists. Consumes both, also when it throws. */
export const addGradients = <P extends Params>(a: P, b: P): P => {
  const made: Array<Tensor> = []
  let isDone = false
  try {
    const sum = zipParams(a, b, (x, y) => {
      const both = ops.raw.accumulate(x.tensor, y.tensor) // in the memory of x
      made.push(both)
      y.tensor.dispose()
      return value(both)
    })
    isDone = true
    return sum
  } finally {
    if (!isDone) {
      for (const tensor of made) tensor.dispose()
      disposeParams(a)
      disposeParams(b)
    }
  }
}

/**
 * One micro-batch more: the sum over the U micro-batches of a step of the gradients of loss / U, each with negatives of
 * its own. Consumes both, also when it throws. Source: REFERENCE 4.2; GOLDENS 5.
 */
export const accumulate = <P extends Params>(
  previous: StepGradients<P> | undefined,
  pass: PassResult<P>
): StepGradients<P> => {
  const loss = [...previous?.loss ?? [], pass.loss]
  const correct = [...previous?.correct ?? [], pass.correct]
  try {
    const grads = previous === undefined ? pass.grads : addGradients(previous.grads, pass.grads)
    return { grads, loss, correct }
  } catch (error) {
    for (const scalar of [...loss, ...correct]) scalar.dispose()
    throw error
  }
}

/** Parameters and state after an update, and the logarithm `logitScale` before the clamp, a scalar; all the caller's. */
export interface AppliedUpdate<P extends Params, S> {
  readonly params: P
  readonly state: S
  readonly logitScaleBeforeClamp: Tensor
}

/**
 * One optimizer update, then the clamp of the logarithm `logitScale` to `clamp` (as float32 numbers; published: 0 to
 * 4.6052, a scale of 1 to 100), on the device; a NaN stays a NaN, and a scale without a gradient is frozen and stays as
 * it is. Consumes gradients, state and parameters. Source: REFERENCE 4.2.
 */
export const applyUpdate = <P extends TwoTowerParams, S>(
  optimizer: Optimizer<P, S>,
  grads: P,
  state: S,
  params: P,
  lr: number,
  [lo, hi]: readonly [number, number]
): AppliedUpdate<P, S> => {
  const isScaleTrained = isTrained(grads, "logitScale")
  const [updated, next] = optimizer.update(grads, state, params, lr)
  const before = updated.logitScale.tensor
  if (!isScaleTrained) return { params: updated, state: next, logitScaleBeforeClamp: tf.keep(tf.clone(before)) }
  const clamped = mapParams(
    updated,
    (parameter, path) => path === "logitScale" ? value(tf.keep(ops.raw.clamp(parameter.tensor, lo, hi))) : parameter
  )
  return { params: clamped, state: next, logitScaleBeforeClamp: before }
}

const isTrained = (grads: Params, wanted: string): boolean => leavesOf(grads).some(({ path }) => path === wanted)

/**
 * The same for an engine that answers late, on which nobody knows yet whether the step is finite: where `isOn` [1] is 0,
 * parameters and the tensors of the state have the bits that they had. Consumes the same; `isOn` stays the caller's.
 */
export const applyUpdateIf = <P extends TwoTowerParams, S>(
  isOn: Tensor,
  optimizer: Optimizer<P, S>,
  grads: P,
  state: S,
  params: P,
  lr: number,
  [lo, hi]: readonly [number, number]
): { readonly params: P; readonly state: S } => {
  const isScaleTrained = isTrained(grads, "logitScale")
  const [updated, next] = optimizer.updateIf === undefined ?
    chosenUpdate(isOn, optimizer, grads, state, params, lr) :
    optimizer.updateIf(isOn, grads, state, params, lr)
  if (!isScaleTrained) return { params: updated, state: next }
  const clamped = mapParams(updated, (parameter, path) => {
    if (path !== "logitScale") return parameter
    const { tensor } = parameter
    const scale = tf.tidy(() => ops.raw.select(isOn, ops.raw.clamp(tensor, lo, hi), tensor))
    tensor.dispose()
    return value(tf.keep(scale))
  })
  return { params: clamped, state: next }
}

/** The update of an optimizer that cannot be told to do nothing: what was there is kept beside it, then one is chosen. */
const chosenUpdate = <P extends TwoTowerParams, S>(
  isOn: Tensor,
  optimizer: Optimizer<P, S>,
  grads: P,
  state: S,
  params: P,
  lr: number
): readonly [P, S] => {
  const copy = (tree: Value): Value => value(tf.keep(tf.clone(tree.tensor)))
  const before = { params: mapParams(params, copy), state: mapState(state, copy) }
  const [updated, next] = optimizer.update(grads, state, params, lr)
  const choose = (now: Value, then: Value): Value => {
    const chosen = tf.keep(ops.raw.select(isOn, now.tensor, then.tensor))
    for (const { tensor } of [now, then]) tensor.dispose()
    return value(chosen)
  }
  const old = flattenState(before.state).values
  const chosenParams = zipParams(updated, before.params, choose)
  return [
    chosenParams,
    mapState(next, (now, path) => {
      const then = old.get(path)
      return then === undefined ? now : choose(now, then)
    })
  ]
}
