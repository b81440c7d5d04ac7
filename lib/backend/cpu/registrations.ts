import { fusedKernels } from "./kernels/index.ts"
import { elementwiseKernels, matMulKernels, reduceKernels, shapingKernels } from "./stock/index.ts"
import type { Registration } from "./tfjs.ts"

/** Every kernel of the engine. */
export const registrations: ReadonlyArray<Registration> = [
  ...matMulKernels,
  ...elementwiseKernels,
  ...reduceKernels,
  ...shapingKernels,
  ...fusedKernels
]
