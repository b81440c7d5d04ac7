import type { Replacement } from "../tfjs.ts"
import { columnSumsKernels } from "./columnSums.ts"
import { gatherRowsKernels } from "./gatherRows.ts"
import { matMulKernels } from "./matMul.ts"

/** All kernels of ours: in the place of tfjs's own, or of an operation's composition. */
export const webgpuKernels: ReadonlyArray<Replacement> = [
  ...columnSumsKernels,
  ...gatherRowsKernels,
  ...matMulKernels
]
