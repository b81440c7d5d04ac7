import { softmaxBackward, softmaxForward } from "../../../ops/softmax.ts"
import { written } from "../address.ts"
import { softmaxRows } from "../stock/reduce.ts"
import { fused, type Registration } from "../tfjs.ts"

/** Softmax of rows and its gradient; masked columns are exact zeros. */
export const softmaxKernels: ReadonlyArray<Registration> = [
  fused(softmaxForward, (cpu, { x }, { causal }) => ({ y: softmaxRows(cpu, x, causal) })),
  fused(softmaxBackward, (cpu, { dy, y }) => {
    const dx = cpu.output(y.shape)
    const cols = y.shape.at(-1) ?? 1
    const rows = y.shape.slice(0, -1).reduce((a, b) => a * b, 1)
    const words = [cpu.address(dy), cpu.address(y), written(dx.address), rows, cols]
    cpu.run("softmaxGrad", words, [], 2 * rows * cols)
    return { dx: dx.info }
  })
]
