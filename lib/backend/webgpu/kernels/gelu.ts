import { geluBackward, geluForward } from "../../../ops/gelu.ts"
import { fused, type Replacement } from "../tfjs.ts"
import { geluGradWgsl, geluWgsl } from "./activations.ts"
import { mapCode, mapGradCode, runMap, runMapGrad } from "./elementwise.ts"

/** x -> y. */
export const code: ReturnType<typeof mapCode> = mapCode("gelu", geluWgsl)

/** dy, x -> dx: what the derivative needs is computed again. */
export const gradCode: ReturnType<typeof mapGradCode> = mapGradCode("geluGrad", geluGradWgsl)

/** One dispatch each way. */
export const geluKernels: ReadonlyArray<Replacement> = [
  fused(geluForward, (gpu, { x }) => ({ y: runMap(gpu, code, x) })),
  fused(geluBackward, (gpu, { dy, x }) => ({ dx: runMapGrad(gpu, gradCode, dy, x) }))
]
