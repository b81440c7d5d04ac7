import { quickGeluBackward, quickGeluForward } from "../../../ops/quickGelu.ts"
import { mapBinary } from "../stock/binary.ts"
import { mapUnary } from "../stock/elementwise.ts"
import { fused, type Registration } from "../tfjs.ts"

/** x sigmoid(1.702 x) and its gradient. */
export const quickGeluKernels: ReadonlyArray<Registration> = [
  fused(quickGeluForward, (cpu, { x }) => ({ y: mapUnary(cpu, "quickGelu", x) })),
  fused(quickGeluBackward, (cpu, { dy, x }) => ({ dx: mapBinary(cpu, "quickGeluGrad", dy, x) }))
]
