import { adamWListUpdateIf } from "../../../ops/adamW.ts"
import { fusedList, type Replacement } from "../tfjs.ts"
import { updated } from "./adamW.ts"

/** AdamW of all parameters of a step, in place, which writes nothing where the flag is 0. */
export const adamWListIfKernels: ReadonlyArray<Replacement> = [
  fusedList(adamWListUpdateIf, (gpu, [flag, ...inputs], { lr, weightDecay, ...shared }) =>
    lr.flatMap((rate, i) => {
      const [p, g, m, v] = inputs.slice(4 * i, 4 * i + 4)
      if (flag === undefined || p === undefined || g === undefined || m === undefined || v === undefined) {
        throw new Error(`adamW: ${lr.length} rates, but ${inputs.length} tensors instead of four for each`)
      }
      const attrs = { ...shared, lr: rate, weightDecay: weightDecay[i] ?? 0 }
      const next = updated(gpu, { p, m, v }, g, attrs, flag)
      return [next.p, next.m, next.v]
    }))
]
