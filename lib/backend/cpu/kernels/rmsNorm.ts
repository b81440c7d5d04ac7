import { rmsNormBackward, rmsNormForward } from "../../../ops/rmsNorm.ts"
import { written } from "../address.ts"
import { fused, type Registration } from "../tfjs.ts"
import { normGrad } from "./layerNorm.ts"

/** RMS norm of rows times gamma and a constant, and its gradients. */
export const rmsNormKernels: ReadonlyArray<Registration> = [
  fused(rmsNormForward, (cpu, { x, gamma }, { eps, scale }) => {
    const [rows = 0, cols = 0] = x.shape
    const y = cpu.output(x.shape), rstd = cpu.output([rows])
    const words = [cpu.address(x), cpu.address(gamma), written(y.address), written(rstd.address), rows, cols]
    cpu.run("rmsNorm", words, [eps, scale], 2 * rows * cols)
    return { y: y.info, rstd: rstd.info }
  }),
  fused(
    rmsNormBackward,
    (cpu, { dy, x, gamma, rstd }, { scale }) => normGrad(cpu, { dy, x, gamma, mean: undefined, rstd, scale })
  )
]
