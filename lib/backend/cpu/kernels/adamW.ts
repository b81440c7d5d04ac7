import type { TensorInfo } from "@tensorflow/tfjs-core"
import { adamWUpdate, sumSquaresForward } from "../../../ops/adamW.ts"
import { written } from "../address.ts"
import type { ArenaBackend, Output } from "../backend.ts"
import { sumAll } from "../stock/reduce.ts"
import { fused, type Registration } from "../tfjs.ts"

/** base ** exponent for a whole exponent, by products alone: Math.pow may differ between engines in the last bit. */
const power = (base: number, exponent: number): number => {
  let result = 1
  let factor = base
  for (let left = exponent; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result *= factor
    factor *= factor
  }
  return result
}

/** The tensor's own memory where nobody else holds it, else fresh memory. */
const reused = (cpu: ArenaBackend, x: TensorInfo): Output =>
  cpu.refCount(x.dataId) === 1 ? { info: cpu.alias(x, x.shape), address: cpu.address(x) } : cpu.output(x.shape)

/** One AdamW update, in place where it may, and the sum of squares. */
export const adamWKernels: ReadonlyArray<Registration> = [
  fused(adamWUpdate, (cpu, { p, g, m, v }, { lr, beta1, beta2, eps, weightDecay, step }) => {
    const n = p.shape.reduce((a, b) => a * b, 1)
    const inputs = [cpu.address(p), cpu.address(g), cpu.address(m), cpu.address(v)]
    const out = { p: reused(cpu, p), m: reused(cpu, m), v: reused(cpu, v) }
    const floats = [
      ...[beta1, 1 - beta1, beta2, 1 - beta2],
      ...[1 / Math.sqrt(1 - power(beta2, step)), eps, 1 - lr * weightDecay, lr / (1 - power(beta1, step))]
    ]
    cpu.run(
      "adamW",
      [...inputs, written(out.p.address), written(out.m.address), written(out.v.address), n],
      floats,
      4 * n
    )
    return { p: out.p.info, m: out.m.info, v: out.v.info }
  }),
  fused(sumSquaresForward, (cpu, { x }) => {
    const y = cpu.output([])
    const at = cpu.address(x)
    sumAll(cpu, y.address, x.shape.reduce((a, b) => a * b, 1), at, { b: at })
    return { y: y.info }
  })
]
