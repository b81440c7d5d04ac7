import { l2NormalizeBackward, l2NormalizeForward } from "../../../ops/l2Normalize.ts"
import { written } from "../address.ts"
import { fused, type Registration } from "../tfjs.ts"

/** The floor of the norm, as the operation has it. */
const FLOOR = 1e-12

/** Rows of length 1, and their gradient. */
export const l2NormalizeKernels: ReadonlyArray<Registration> = [
  fused(l2NormalizeForward, (cpu, { x }) => {
    const [rows = 0, cols = 0] = x.shape
    const y = cpu.output(x.shape), norm = cpu.output([rows])
    cpu.run(
      "l2Normalize",
      [cpu.address(x), written(y.address), written(norm.address), rows, cols],
      [FLOOR],
      2 * rows * cols
    )
    return { y: y.info, norm: norm.info }
  }),
  fused(l2NormalizeBackward, (cpu, { dy, y, norm }) => {
    const [rows = 0, cols = 0] = y.shape
    const dx = cpu.output(y.shape)
    const words = [cpu.address(dy), cpu.address(y), cpu.address(norm), written(dx.address), rows, cols]
    cpu.run("l2NormalizeGrad", words, [], 2 * rows * cols)
    return { dx: dx.info }
  })
]
