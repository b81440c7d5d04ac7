import { firstMaximaForward } from "../../../ops/firstMaxima.ts"
import { written } from "../address.ts"
import { fused, type Registration } from "../tfjs.ts"

/** The places of the first maxima of rows of either type. */
export const firstMaximaKernels: ReadonlyArray<Registration> = [
  fused(firstMaximaForward, (cpu, { x }) => {
    const [rows = 0, cols = 0] = x.shape
    const y = cpu.output([rows], "int32")
    const words = [cpu.address(x), written(y.address), rows, cols, x.dtype === "int32" ? 1 : 0]
    cpu.run("firstMaxima", words, [], rows * cols)
    return { y: y.info }
  })
]
