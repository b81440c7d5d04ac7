import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import type { GradientTransform, Optimizer } from "../api/index.ts"
import * as ops from "../ops/index.ts"
import type { Params, Value } from "../tensor/index.ts"
import { disposeParams, leavesOf, mapParams, pickParams, value, zipParams } from "../tensor/index.ts"

/** The L2 norm of a whole tree, a scalar that the caller owns; 0 where the tree has no leaf. */
export const globalNorm = (tree: Params): Tensor => ops.raw.norm(leavesOf(tree).map((leaf) => leaf.value.tensor))

const own = (make: () => tf.Tensor): Value => value(tf.keep(tf.tidy(make)))

/**
 * Scales the whole gradient down to `maxNorm` where its norm is larger: by min(1, maxNorm / (norm + 1e-6)), on the
 * device, so that nothing is read. Consumes the gradients. Source: torch's clip_grad_norm_.
 */
export const clipByGlobalNorm = <P extends Params>(maxNorm: number): GradientTransform<P, null> => ({
  init: () => null,
  update: (grads) => {
    const factor = tf.tidy(() => ops.raw.clipFactor(globalNorm(grads), maxNorm))
    const clipped = mapParams(grads, (grad) => {
      const small = own(() => ops.raw.scaleBy(grad.tensor, factor))
      grad.tensor.dispose()
      return small
    })
    factor.dispose()
    return [clipped, null]
  }
})

/** Adds `weightDecay` times the parameter where `isDecayed` says so. Consumes the gradients. */
export const decayWeights = <P extends Params>(
  weightDecay: number,
  isDecayed: (leaf: Value, path: string) => boolean
): GradientTransform<P, null> => ({
  init: () => null,
  update: (grads, _, params) => {
    const decayed = zipParams(
      grads,
      params,
      (grad, parameter, path) =>
        own(() =>
          isDecayed(parameter, path) ? ops.raw.axpy(weightDecay, parameter.tensor, grad.tensor) : tf.clone(grad.tensor)
        )
    )
    disposeParams(grads)
    return [decayed, null]
  }
})

/**
 * Multiplies the updates of a parameter by `byPath(path)`; where that is 0 the parameter is frozen: its update is dropped,
 * and `chain` leaves its bytes alone. Put it last, so that it scales decay as well. Consumes the gradients.
 */
export const scaleUpdates = <P extends Params>(byPath: (path: string) => number): GradientTransform<P, null> => ({
  init: () => null,
  update: (grads) => {
    const isKept = (path: string): boolean => byPath(path) !== 0
    const scaled = mapParams(
      pickParams(grads, isKept),
      (grad, path) => own(() => ops.raw.scale(grad.tensor, byPath(path)))
    )
    disposeParams(grads)
    return [scaled, null]
  }
})

/** State of `scaleByAdam`. */
export interface AdamState<P extends Params> {
  readonly step: number
  readonly mu: P
  readonly nu: P
}

/** Settings of `scaleByAdam`: decay rates per step, eps in gradient units. */
export interface AdamOptions {
  readonly beta1: number
  readonly beta2: number
  readonly eps: number
}

/** Divides bias-corrected mean gradients by their root mean square. Source: Kingma and Ba 2015, algorithm 1. */
export const scaleByAdam = <P extends Params>(
  { beta1, beta2, eps }: AdamOptions
): GradientTransform<P, AdamState<P>> => {
  const zeros = (params: P): P => mapParams(params, (parameter) => own(() => tf.zerosLike(parameter.tensor)))
  const nextMoment = (grads: P, moment: P, rate: number, blend: typeof ops.raw.blend): P => {
    const blended = zipParams(moment, grads, (old, grad) => own(() => blend(rate, old.tensor, grad.tensor)))
    disposeParams(moment)
    return blended
  }
  return {
    init: (params) => ({ step: 0, mu: zeros(params), nu: zeros(params) }),
    update: (grads, state) => {
      const step = state.step + 1
      const mu = nextMoment(grads, state.mu, beta1, ops.raw.blend)
      const nu = nextMoment(grads, state.nu, beta2, ops.raw.blendSquares)
      const options = { beta1, beta2, eps, step }
      const updates = zipParams(mu, nu, (m, v) => own(() => ops.raw.adamDirection(m.tensor, v.tensor, options)))
      disposeParams(grads)
      return [updates, { step, mu, nu }]
    }
  }
}

/**
 * An optimizer from transforms applied one after the other: params - lr * updates. A parameter without an update stays
 * as it is. The schedule stays outside; `adamW` is the fused form of `chain(scaleByAdam, decayWeights)`.
 *
 * @example
 * ```ts
 * import type { DiffClipParams } from "../models/index.ts"
 * import { chain, clipByGlobalNorm, decayWeights, scaleByAdam } from "./chain.ts"
 * import { isMatrix } from "./adamW.ts"
 *
 * const optimizer = chain<DiffClipParams>(
 *   clipByGlobalNorm(1),
 *   scaleByAdam({ beta1: 0.9, beta2: 0.98, eps: 1e-8 }),
 *   decayWeights(0.5, isMatrix)
 * )
 * console.log(optimizer)
 * ```
 */
export const chain = <P extends Params>(
  ...transforms: ReadonlyArray<GradientTransform<P, unknown>>
): Optimizer<P, ReadonlyArray<unknown>> => ({
  init: (params) => transforms.map((transform) => transform.init(params)),
  update: (grads, state, params, lr) => {
    let updates = grads
    const next = transforms.map((transform, i) => {
      const [out, transformed] = transform.update(updates, state[i], params)
      updates = out
      return transformed
    })
    const moves = new Map(leavesOf(updates).map(({ path, value }) => [path, value.tensor]))
    const moved = mapParams(params, (parameter, path) => {
      const update = moves.get(path)
      if (update === undefined) return parameter
      const next = own(() => ops.raw.axpy(-lr, update, parameter.tensor))
      parameter.tensor.dispose()
      update.dispose()
      return next
    })
    return [moved, next]
  }
})

/**
 * An optimizer that trains the parameters whose path `isTrained` and never sees the others: these keep their bytes, and
 * have no state, no decay, and no part in a norm. Gradients that they have are freed unused.
 */
export const trainOnly = <P extends Params, S>(
  optimizer: Optimizer<P, S>,
  isTrained: (path: string) => boolean
): Optimizer<P, S> => ({
  init: (params) => optimizer.init(pickParams(params, isTrained)),
  update: (grads, state, params, lr) => {
    disposeParams(pickParams(grads, (path) => !isTrained(path)))
    const [moved, next] = optimizer.update(pickParams(grads, isTrained), state, pickParams(params, isTrained), lr)
    const trained = new Map(leavesOf(moved).map(({ path, value }) => [path, value]))
    return [mapParams(params, (parameter, path) => trained.get(path) ?? parameter), next]
  }
})
