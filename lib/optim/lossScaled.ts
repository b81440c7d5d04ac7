import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import type { Optimizer } from "../api/index.ts"
import * as ops from "../ops/index.ts"
import type { Params, Value } from "../tensor/index.ts"
import { leavesOf, value } from "../tensor/index.ts"

/** When the loss scale moves. The defaults are those of torch's GradScaler, which the published code uses (REFERENCE 4.2). */
export interface LossScaleOptions {
  /** Default 65,536. */
  readonly initial?: number
  /** What the scale is multiplied by after `interval` good steps in a row; default 2. */
  readonly growth?: number
  /** What it is multiplied by after a step whose gradients overflowed; default 0.5. */
  readonly backoff?: number
  /** Default 2000. */
  readonly interval?: number
}

/** State of `lossScaled`: that of the optimizer inside, and two scalars that live on the device. */
export interface LossScaledState<S> {
  readonly inner: S
  readonly lossScale: Value
  readonly goodSteps: Value
}

/** An optimizer that can leave a step out on the word of the device. */
type Conditional<P extends Params, S> = Optimizer<P, S> & Required<Pick<Optimizer<P, S>, "updateIf">>

const own = (make: () => Tensor): Value => value(tf.keep(tf.tidy(make)))

/** [1]: 1 where all gradients are finite, else 0. */
const isFinite = (grads: Params): Tensor =>
  tf.tidy(() => ops.raw.finite([ops.raw.norm(leavesOf(grads).map((leaf) => leaf.value.tensor))]))

/**
 * Mixed precision's guard: the loss is to be multiplied by `lossScaleOf(state)` for the backward pass, so that small
 * gradients do not vanish in 16-bit floats, and the gradients are divided by it before they come here. Where one is not
 * finite the update writes nothing and the scale is halved. All of it on the device, nothing is read; `updateIf` takes its
 * flag for the answer. AdamW's step count goes on in a step that was left out. Consumes what the optimizer
 * inside consumes. Source: Micikevicius et al. 2018; torch.cuda.amp.GradScaler.
 *
 * @example
 * ```ts
 * import type { DiffClipParams } from "../models/index.ts"
 * import { adamW } from "./adamW.ts"
 * import { lossScaled } from "./lossScaled.ts"
 *
 * const optimizer = lossScaled(adamW<DiffClipParams>({ weightDecay: 0.5 }), { initial: 1024 })
 * console.log(optimizer)
 * ```
 */
export const lossScaled = <P extends Params, S>(
  inner: Optimizer<P, S>,
  { initial = 65_536, growth = 2, backoff = 0.5, interval = 2000 }: LossScaleOptions = {}
): Conditional<P, LossScaledState<S>> & { readonly lossScaleOf: (state: LossScaledState<S>) => Tensor } => {
  const { updateIf } = inner
  if (updateIf === undefined) {
    throw new TypeError("lossScaled: expected an optimizer with `updateIf`, such as adamW, found one without")
  }
  const update = (
    isOn: Tensor | undefined,
    grads: P,
    { inner: state, lossScale, goodSteps }: LossScaledState<S>,
    params: P,
    lr: number
  ): readonly [P, LossScaledState<S>] => {
    const isGood = isOn === undefined ? isFinite(grads) : tf.clone(isOn)
    const [next, innerState] = updateIf(isGood, grads, state, params, lr)
    const counted = tf.tidy(() => tf.mul(tf.add(goodSteps.tensor, 1), tf.reshape(isGood, [])))
    const isDue = tf.tidy(() => tf.cast(tf.greaterEqual(counted, interval), "float32"))
    const scale = own(() => {
      const factor = tf.add(
        tf.mul(tf.reshape(isGood, []), tf.add(1, tf.mul(isDue, growth - 1))),
        tf.mul(tf.sub(1, tf.reshape(isGood, [])), backoff)
      )
      return tf.mul(lossScale.tensor, factor)
    })
    const steps = own(() => tf.mul(counted, tf.sub(1, isDue)))
    for (const spent of [isGood, counted, isDue, lossScale.tensor, goodSteps.tensor]) spent.dispose()
    return [next, { inner: innerState, lossScale: scale, goodSteps: steps }]
  }
  return {
    init: (params) => ({
      inner: inner.init(params),
      lossScale: own(() => tf.scalar(initial)),
      goodSteps: own(() => tf.scalar(0))
    }),
    update: (grads, state, params, lr) => update(undefined, grads, state, params, lr),
    updateIf: update,
    lossScaleOf: ({ lossScale }) => lossScale.tensor
  }
}
