import { adamWListUpdate } from "../../../ops/adamW.ts"
import { fusedList, type Replacement } from "../tfjs.ts"
import { updated } from "./adamW.ts"

/** AdamW of all parameters of a step, in place and without a second copy of them: one dispatch for each. */
export const adamWListKernels: ReadonlyArray<Replacement> = [
  fusedList(adamWListUpdate, (gpu, inputs, { lr, weightDecay, ...shared }) => {
    const parts = lr.map((rate, i) => {
      const [p, g, m, v] = inputs.slice(4 * i, 4 * i + 4)
      if (p === undefined || g === undefined || m === undefined || v === undefined) {
        throw new Error(`adamW: ${lr.length} rates, but ${inputs.length} tensors instead of four for each`)
      }
      return { moments: { p, m, v }, g, attrs: { ...shared, lr: rate, weightDecay: weightDecay[i] ?? 0 } }
    })
    return parts.flatMap(({ moments, g, attrs }) => {
      const { p, m, v } = updated(gpu, moments, g, attrs)
      return [p, m, v]
    })
  })
]
