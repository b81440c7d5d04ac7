import { geluBackward, geluForward } from "../../../ops/gelu.ts"
import { mapBinary } from "../stock/binary.ts"
import { mapUnary } from "../stock/elementwise.ts"
import { fused, type Registration } from "../tfjs.ts"

/** x Phi(x) and its gradient; Phi is within 3e-7 of the exact one. */
export const geluKernels: ReadonlyArray<Registration> = [
  fused(geluForward, (cpu, { x }) => ({ y: mapUnary(cpu, "gelu", x) })),
  fused(geluBackward, (cpu, { dy, x }) => ({ dx: mapBinary(cpu, "geluGrad", dy, x) }))
]
