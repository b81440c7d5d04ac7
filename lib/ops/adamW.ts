import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import { checkShape } from "../tensor/index.ts"
import { type Fused, type FusedList, hasKernel, run, runList } from "./kernel.ts"
import { select } from "./raw.ts"

/** Settings of one AdamW update; `step` counts from 1. */
export type AdamWAttrs = {
  readonly lr: number
  readonly beta1: number
  readonly beta2: number
  readonly eps: number
  readonly weightDecay: number
  readonly step: number
}

/**
 * p, g, m, v of one shape -> p, m, v after the update. A kernel may write into the buffers of p, m and v and hand those
 * back. Source: Loshchilov and Hutter 2019; REFERENCE 4.2.
 */
export const adamWUpdate: Fused<"p" | "g" | "m" | "v", AdamWAttrs, "p" | "m" | "v"> = {
  name: "DiffClipAdamW",
  outputs: ["p", "m", "v"],
  compose: ({ p, g, m, v }, { lr, beta1, beta2, eps, weightDecay, step }) => {
    const mean = tf.add(tf.mul(m, beta1), tf.mul(g, 1 - beta1))
    const square = tf.add(tf.mul(v, beta2), tf.mul(tf.square(g), 1 - beta2))
    const denominator = tf.add(tf.div(tf.sqrt(square), Math.sqrt(1 - beta2 ** step)), eps)
    const decayed = tf.mul(p, 1 - lr * weightDecay)
    return { p: tf.sub(decayed, tf.mul(tf.div(mean, denominator), lr / (1 - beta1 ** step))), m: mean, v: square }
  }
}

/** One parameter's update. Consumes p, m, v (their tensors are freed or reused); the gradient stays the caller's. */
export const adamW = (
  p: Tensor,
  g: Tensor,
  m: Tensor,
  v: Tensor,
  attrs: AdamWAttrs
): { readonly p: Tensor; readonly m: Tensor; readonly v: Tensor } => {
  let updated: Readonly<Record<"p" | "m" | "v", Tensor>> | undefined
  tf.tidy(() => {
    updated = run(adamWUpdate, { p, g, m, v }, attrs)
    for (const tensor of Object.values(updated)) tf.keep(tensor)
  })
  for (const tensor of [p, m, v]) tensor.dispose()
  if (updated === undefined) throw new Error("adamW: the update did not run")
  return updated
}

/** `adamW` where `isOn` is not 0, else p, m and v with the bits that they had. Consumes the same. */
const adamWIf = (
  isOn: Tensor,
  p: Tensor,
  g: Tensor,
  m: Tensor,
  v: Tensor,
  attrs: AdamWAttrs
): ReturnType<typeof adamW> => {
  const before = { p: tf.clone(p), m: tf.clone(m), v: tf.clone(v) } // whose numbers a kernel then leaves alone
  const next = adamW(p, g, m, v, attrs)
  const kept = (name: "p" | "m" | "v"): Tensor => {
    const chosen = tf.keep(select(isOn, next[name], before[name]))
    for (const tensor of [next[name], before[name]]) tensor.dispose()
    return chosen
  }
  return { p: kept("p"), m: kept("m"), v: kept("v") }
}

/** One parameter of a step: its tensors, and where it differs from the others in rate and decay. */
export interface AdamWPart {
  readonly p: Tensor
  readonly g: Tensor
  readonly m: Tensor
  readonly v: Tensor
  readonly lr: number
  readonly weightDecay: number
}

/** What all parameters of a step share, and `lr` and `weightDecay` of each. */
export type AdamWListAttrs = Omit<AdamWAttrs, "lr" | "weightDecay"> & {
  readonly lr: Array<number>
  readonly weightDecay: Array<number>
}

/** p0, g0, m0, v0, p1, ... -> p0, m0, v0, p1, ...: `adamWUpdate` of each, under its terms. */
export const adamWListUpdate: FusedList<AdamWListAttrs> = {
  name: "DiffClipAdamWList",
  compose: (inputs, { lr, weightDecay, ...shared }) =>
    lr.flatMap((rate, i) => {
      const [p, g, m, v] = inputs.slice(4 * i, 4 * i + 4)
      if (p === undefined || g === undefined || m === undefined || v === undefined) {
        throw new Error(`adamW: ${lr.length} rates, but ${inputs.length} tensors instead of four for each`)
      }
      const next = adamWUpdate.compose({ p, g, m, v }, { ...shared, lr: rate, weightDecay: weightDecay[i] ?? 0 })
      return [next.p, next.m, next.v]
    })
}

/**
 * isOn [1], p0, g0, m0, v0, p1, ... -> p0, m0, v0, p1, ...: `adamWListUpdate` where isOn is not 0, else p, m and v with the
 * bits that they had. An engine that answers late need not wait for a step's figures before it updates.
 */
export const adamWListUpdateIf: FusedList<AdamWListAttrs> = {
  name: "DiffClipAdamWListIf",
  compose: ([isOn, ...inputs], attrs) => {
    if (isOn === undefined) throw new Error("adamW: expected the flag before the parameters")
    return adamWListUpdate.compose(inputs, attrs).map((next, i) => {
      const before = inputs[4 * Math.floor(i / 3) + (i % 3 === 0 ? 0 : 1 + i % 3)] // p, m or v of p, g, m, v
      return before === undefined ? next : select(isOn, next, before)
    })
  }
}

/**
 * The updates of many parameters, in one dispatch where the backend has a kernel for it and one by one where not, so that
 * no second copy of all of them exists. Consumes every p, m and v: their memory is written in place, except that a tensor
 * whose numbers somebody else holds too (a clone, a reshaped view, a snapshot) keeps them and the update gets memory of
 * its own. Throws before anything is written when one tensor stands in two places, and ShapeError when one does not fit.
 * With `isOn`, one number that only the device knows, nothing changes where it is 0.
 */
export const adamWAll = (
  parts: ReadonlyArray<AdamWPart>,
  shared: Omit<AdamWAttrs, "lr" | "weightDecay">,
  isOn?: Tensor
): ReadonlyArray<{ readonly p: Tensor; readonly m: Tensor; readonly v: Tensor }> => {
  const all = parts.flatMap(({ p, g, m, v }) => [p, g, m, v])
  if (new Set(all).size < all.length) {
    throw new Error(
      "adamW: one tensor is given twice; a parameter that stands in two places needs one gradient, their sum"
    )
  }
  for (const { p, g, m, v } of parts) {
    for (const [name, tensor] of Object.entries({ g, m, v })) checkShape("adamW", name, tensor, p.shape)
  }
  const operation = isOn === undefined ? adamWListUpdate : adamWListUpdateIf
  if (!hasKernel(operation.name)) {
    return parts.map(({ p, g, m, v, lr, weightDecay }) => {
      const attrs = { ...shared, lr, weightDecay }
      return isOn === undefined ? adamW(p, g, m, v, attrs) : adamWIf(isOn, p, g, m, v, attrs)
    })
  }
  const attrs = { ...shared, lr: parts.map(({ lr }) => lr), weightDecay: parts.map(({ weightDecay }) => weightDecay) }
  const updated: Array<Tensor> = []
  tf.tidy(() => {
    const inputs = isOn === undefined ? all : [isOn, ...all]
    for (const tensor of runList(operation, inputs, attrs)) updated.push(tf.keep(tensor))
  })
  for (const { p, m, v } of parts) for (const tensor of [p, m, v]) tensor.dispose()
  return parts.map((_, i) => {
    const [p, m, v] = updated.slice(3 * i, 3 * i + 3)
    if (p === undefined || m === undefined || v === undefined) throw new Error("adamW: the kernel gave too few results")
    return { p, m, v }
  })
}
