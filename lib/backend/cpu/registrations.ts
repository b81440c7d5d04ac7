import { fusedKernels } from "./kernels/index.ts"
import {
  binaryKernels,
  elementwiseKernels,
  indexingKernels,
  matMulKernels,
  reduceKernels,
  shapingKernels
} from "./stock/index.ts"
import type { Registration } from "./tfjs.ts"

/** Every kernel of the engine. */
export const registrations: ReadonlyArray<Registration> = [
  ...binaryKernels,
  ...elementwiseKernels,
  ...indexingKernels,
  ...matMulKernels,
  ...reduceKernels,
  ...shapingKernels,
  ...fusedKernels
]
