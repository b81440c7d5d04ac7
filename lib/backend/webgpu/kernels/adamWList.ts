import type { TensorInfo } from "@tensorflow/tfjs-core"
import { type AdamWListAttrs, adamWListUpdate, adamWListUpdateIf } from "../../../ops/adamW.ts"
import type { Gpu } from "../gpu.ts"
import { fusedList, type Replacement } from "../tfjs.ts"
import { updated } from "./adamW.ts"

/** p0, g0, m0, v0, p1, ... -> p0, m0, v0, p1, ... Looks at all of them before anything is written. */
const updateAll = (
  gpu: Gpu,
  inputs: ReadonlyArray<TensorInfo>,
  { lr, weightDecay, ...shared }: AdamWListAttrs,
  flag?: TensorInfo
): ReadonlyArray<TensorInfo> => {
  const parts = lr.map((rate, i) => {
    const [p, g, m, v] = inputs.slice(4 * i, 4 * i + 4)
    if (p === undefined || g === undefined || m === undefined || v === undefined) {
      throw new Error(`adamW: ${lr.length} rates, but ${inputs.length} tensors instead of four for each`)
    }
    return { moments: { p, m, v }, g, attrs: { ...shared, lr: rate, weightDecay: weightDecay[i] ?? 0 } }
  })
  return parts.flatMap(({ moments, g, attrs }) => {
    const { p, m, v } = updated(gpu, moments, g, attrs, flag)
    return [p, m, v]
  })
}

/**
 * AdamW of all parameters of a step, in place and without a second copy of them: one dispatch for each. With a flag it
 * writes nothing where that is 0.
 */
export const adamWListKernels: ReadonlyArray<Replacement> = [
  fusedList(adamWListUpdate, updateAll),
  fusedList(adamWListUpdateIf, (gpu, [flag, ...inputs], attrs) => {
    if (flag === undefined) throw new Error("adamW: expected the flag before the parameters")
    return updateAll(gpu, inputs, attrs, flag)
  })
]
