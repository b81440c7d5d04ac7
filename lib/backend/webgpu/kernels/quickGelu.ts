import { quickGeluBackward, quickGeluForward } from "../../../ops/quickGelu.ts"
import { fused, type Replacement } from "../tfjs.ts"
import { quickGeluGradWgsl, quickGeluWgsl } from "./activations.ts"
import { mapCode, mapGradCode, runMap, runMapGrad } from "./elementwise.ts"

/** x -> y. */
export const code: ReturnType<typeof mapCode> = mapCode("quickGelu", quickGeluWgsl)

/** dy, x -> dx: what the derivative needs is computed again. */
export const gradCode: ReturnType<typeof mapGradCode> = mapGradCode("quickGeluGrad", quickGeluGradWgsl)

/** One dispatch each way. */
export const quickGeluKernels: ReadonlyArray<Replacement> = [
  fused(quickGeluForward, (gpu, { x }) => ({ y: runMap(gpu, code, x) })),
  fused(quickGeluBackward, (gpu, { dy, x }) => ({ dx: runMapGrad(gpu, gradCode, dy, x) }))
]
