import { at, type F64, mapArray, zeros } from "./array.ts"

/** Arrays by their official names. */
export type Arrays = Readonly<Record<string, F64>>

/** Settings of AdamW; all are pure numbers. */
export interface AdamWOptions {
  readonly betas: readonly [number, number]
  readonly eps: number
  readonly weightDecay: number
}

/** Moments of the gradients and the number of updates made. */
export interface AdamWState {
  readonly step: number
  readonly first: Arrays
  readonly second: Arrays
}

/** Whether a parameter is decayed: two or more dimensions, and no `bias`, `ln` or `bn` in its name. */
export const isDecayed = (name: string, { shape }: F64): boolean =>
  shape.length >= 2 && !["bias", "ln", "bn"].some((part) => name.includes(part))

const mapArrays = (f: (array: F64, name: string) => F64, arrays: Arrays): Arrays =>
  Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, f(array, name)]))

const named = (arrays: Arrays, name: string): F64 => {
  const found = arrays[name]
  if (found === undefined) throw new RangeError(`no array ${name}`)
  return found
}

/** The state before the first update: moments of zero. */
export const initAdamW = (params: Arrays): AdamWState => ({
  step: 0,
  first: mapArrays(({ shape }) => zeros(shape), params),
  second: mapArrays(({ shape }) => zeros(shape), params)
})

/** One update with learning rate `lr`. Source: GOLDENS section 5 (AdamW as PyTorch computes it). */
export const updateAdamW = (
  params: Arrays,
  grads: Arrays,
  state: AdamWState,
  lr: number,
  { betas: [b1, b2], eps, weightDecay }: AdamWOptions
): { readonly params: Arrays; readonly state: AdamWState } => {
  const step = state.step + 1
  const moment = (old: Arrays, decay: number, power: number): Arrays =>
    mapArrays(
      (array, name) => mapArray((m, i) => decay * m + (1 - decay) * at(named(grads, name).data, i) ** power, array),
      old
    )
  const first = moment(state.first, b1, 1)
  const second = moment(state.second, b2, 2)
  const updated = mapArrays((param, name) => {
    const m = named(first, name).data
    const v = named(second, name).data
    const keep = isDecayed(name, param) ? 1 - lr * weightDecay : 1
    return mapArray((p, i) => {
      const denominator = Math.sqrt(at(v, i)) / Math.sqrt(1 - b2 ** step) + eps
      return p * keep - ((lr / (1 - b1 ** step)) * at(m, i)) / denominator
    }, param)
  }, params)
  return { params: updated, state: { step, first, second } }
}

/** The parameters with `logit_scale` brought into [lo, hi]. */
export const clampLogitScale = (params: Arrays, [lo, hi]: readonly [number, number]): Arrays => ({
  ...params,
  logit_scale: mapArray((s) => Math.min(Math.max(s, lo), hi), named(params, "logit_scale"))
})
