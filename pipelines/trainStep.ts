import * as tf from "@tensorflow/tfjs-core"
import type { Embeddings, ImageTextBatch, Loss, Model, Optimizer } from "../lib/api/index.ts"
import * as ops from "../lib/ops/index.ts"
import type { Params, Value } from "../lib/tensor/index.ts"
import { disposeParams, leavesOf, mapParams, value, vjp, zipParams } from "../lib/tensor/index.ts"

/** Parameters that can be trained; only the scale is known by name, for the clamp. */
export type TwoTowerParams = Params & { readonly logitScale: Value }

/** One pass over one micro-batch. `grads` belong to the caller; `loss` is not divided by the divisor. */
export interface PassResult<P extends Params> {
  readonly grads: P
  readonly loss: number
  /** Images whose own text has the largest logit. */
  readonly correct: number
}

/** What the micro-batches of a step say so far; `loss` and `correct` hold a number a micro-batch. */
export interface StepGradients<P extends Params> {
  /** The sum of the passes' gradients, the caller's; `accumulate` and `applyUpdate` consume them. */
  readonly grads: P
  readonly loss: ReadonlyArray<number>
  readonly correct: ReadonlyArray<number>
}

const readScalar = (x: Value): number => x.tensor.dataSync()[0] ?? Number.NaN

/**
 * Forward and backward of one micro-batch: the gradients of loss / `divisor`. Everything but the result is freed, also
 * when it throws. Parameters and batch stay the caller's.
 */
export const gradientsOf = <P extends TwoTowerParams>(
  model: Model<P, ImageTextBatch, Embeddings>,
  loss: Loss,
  params: P,
  batch: ImageTextBatch,
  divisor: number
): PassResult<P> => {
  const { outputs, pullback } = vjp(params, (lifted) => loss.compute(model.apply(lifted, batch)))
  const seed = tf.fill(outputs.loss.tensor.shape, 1 / divisor)
  try {
    const grads = pullback({ loss: seed }) // frees the residuals, also when it throws
    return { grads, loss: readScalar(outputs.loss), correct: readScalar(outputs.correct) }
  } finally {
    seed.dispose()
    disposeParams(outputs)
  }
}

/** The sum of two trees of gradients. Consumes both, also when it throws. */
const addGradients = <P extends Params>(a: P, b: P): P => {
  let sum: P | undefined
  try {
    tf.tidy(() => {
      sum = zipParams(a, b, (x, y) => value(ops.raw.addTensors(x.tensor, y.tensor)))
      for (const { value } of leavesOf(sum)) tf.keep(value.tensor)
    })
  } finally {
    disposeParams(a)
    disposeParams(b)
  }
  if (sum === undefined) throw new Error("addGradients: the sum was not made")
  return sum
}

/**
 * One micro-batch more: the sum over the U micro-batches of a step of the gradients of loss / U, each with negatives of
 * its own. Consumes the gradients of both, also when it throws. Source: REFERENCE 4.2; GOLDENS 5.
 */
export const accumulate = <P extends Params>(
  previous: StepGradients<P> | undefined,
  pass: PassResult<P>
): StepGradients<P> => ({
  grads: previous === undefined ? pass.grads : addGradients(previous.grads, pass.grads),
  loss: [...previous?.loss ?? [], pass.loss],
  correct: [...previous?.correct ?? [], pass.correct]
})

/** Parameters and state after an update, both the caller's, and the logarithm `logitScale` before and after the clamp. */
export interface AppliedUpdate<P extends Params, S> {
  readonly params: P
  readonly state: S
  readonly logitScaleBeforeClamp: number
  readonly logitScale: number
}

/**
 * One optimizer update, then the clamp of the logarithm `logitScale` to `clamp` (as float32 numbers; published: 0 to
 * 4.6052, a scale of 1 to 100). Consumes gradients, state and parameters; a NaN stays a NaN. Source: REFERENCE 4.2.
 */
export const applyUpdate = <P extends TwoTowerParams, S>(
  optimizer: Optimizer<P, S>,
  grads: P,
  state: S,
  params: P,
  lr: number,
  [lo, hi]: readonly [number, number]
): AppliedUpdate<P, S> => {
  const [updated, next] = optimizer.update(grads, state, params, lr)
  const before = readScalar(updated.logitScale)
  const after = Math.min(Math.max(before, Math.fround(lo)), Math.fround(hi))
  const clamp = (parameter: Value, path: string): Value => {
    if (path !== "logitScale" || Object.is(before, after)) return parameter
    parameter.tensor.dispose()
    return value(tf.keep(tf.scalar(after, "float32")))
  }
  return { params: mapParams(updated, clamp), state: next, logitScaleBeforeClamp: before, logitScale: after }
}
