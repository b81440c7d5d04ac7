import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import type { Optimizer } from "../api/index.ts"
import * as ops from "../ops/index.ts"
import type { Params, Value } from "../tensor/index.ts"
import { leavesOf, mapParams, pickParams, value } from "../tensor/index.ts"

/** State of AdamW: updates so far and both moments, shaped like the parameters that are trained (`pickParams`). */
export interface AdamWState<P extends Params> {
  readonly step: number
  readonly mu: P
  readonly nu: P
}

/** Which parameters decay; the default is the published rule on the tree. */
export interface AdamWOptions {
  /** Default 0.9. */
  readonly beta1?: number
  /** Default 0.98. */
  readonly beta2?: number
  /** Default 1e-8. */
  readonly eps?: number
  /** Decoupled, multiplied by the current rate. Default 0.5. */
  readonly weightDecay?: number
  readonly isDecayed?: (leaf: Value, path: string) => boolean
  /**
   * What the rate, and with it the decay, is multiplied by for a parameter; default 1. 0 freezes it: its bytes stay, it
   * has no moments, and a gradient that it has is freed unused.
   */
  readonly lrScaleOf?: (path: string) => number
}

/** Matrices and larger decay: equal to the published rule by names in all four models (GOLDENS 5). */
export const isMatrix = (leaf: Value): boolean => leaf.tensor.shape.length >= 2

/**
 * AdamW, fused: decay, moments and step in one pass. Consumes gradients, parameters and state. Source: Loshchilov and
 * Hutter 2019; settings of the paper's recipe (REFERENCE 4.2).
 */
export const adamW = <P extends Params>(
  { beta1 = 0.9, beta2 = 0.98, eps = 1e-8, weightDecay = 0.5, isDecayed = isMatrix, lrScaleOf = () => 1 }:
    AdamWOptions = {}
): Optimizer<P, AdamWState<P>> => {
  /** One update; with `isOn` only where that is not 0. */
  const updateWhere = (
    isOn: Tensor | undefined,
    grads: P,
    state: AdamWState<P>,
    params: P,
    lr: number
  ): readonly [P, AdamWState<P>] => {
    const step = state.step + 1
    const [g, m, v] = [grads, state.mu, state.nu].map((tree) => new Map(leavesOf(tree).map((l) => [l.path, l.value])))
    const trained: Array<{ readonly path: string; readonly part: ops.AdamWPart }> = []
    for (const { path, value: parameter } of leavesOf(params)) {
      const lrScale = lrScaleOf(path)
      if (lrScale === 0) {
        g?.get(path)?.tensor.dispose()
        continue
      }
      const parts = { g: g?.get(path)?.tensor, m: m?.get(path)?.tensor, v: v?.get(path)?.tensor }
      if (parts.g === undefined || parts.m === undefined || parts.v === undefined) {
        throw new Error(`adamW: gradients or state have no leaf at ${path}`)
      }
      const decay = isDecayed(parameter, path) ? weightDecay : 0
      const tensors = { p: parameter.tensor, g: parts.g, m: parts.m, v: parts.v }
      trained.push({ path, part: { ...tensors, lr: lr * lrScale, weightDecay: decay } })
    }
    const results = ops.adamWAll(trained.map(({ part }) => part), { beta1, beta2, eps, step }, isOn)
    const next = new Map(trained.map(({ path }, i) => [path, results[i]]))
    for (const { part } of trained) part.g.dispose()
    const updated = mapParams(params, (parameter, path) => {
      const result = next.get(path)
      return result === undefined ? parameter : value(result.p)
    })
    const stateOf = (name: "m" | "v"): P =>
      mapParams(pickParams(updated, (path) => next.has(path)), (parameter, path) => {
        const result = next.get(path)
        return result === undefined ? parameter : value(result[name])
      })
    return [updated, { step, mu: stateOf("m"), nu: stateOf("v") }]
  }
  return {
    init: (params) => {
      const trained = pickParams(params, (path) => lrScaleOf(path) !== 0)
      return { step: 0, mu: zerosLike(trained), nu: zerosLike(trained) }
    },
    update: (grads, state, params, lr) => updateWhere(undefined, grads, state, params, lr),
    updateIf: updateWhere
  }
}

const zerosLike = <P extends Params>(params: P): P =>
  mapParams(params, (parameter) => value(tf.keep(tf.zerosLike(parameter.tensor))))
