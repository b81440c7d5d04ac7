import type { TensorInfo } from "@tensorflow/tfjs-core"
import { sizeOf } from "../../../tensor/index.ts"
import type { Gpu, GpuType } from "../gpu.ts"
import { foldGroups } from "../limits.ts"
import { shaderOf } from "../shader.ts"

const THREADS = 256

/** The bits of 0 are those of 0.0. */
const fill = shaderOf("zeros", (_: Record<never, never>) => ({
  bindings: { y: { access: "write", element: "f32" } },
  uniforms: { size: "u32" },
  workgroup: [THREADS, 1],
  body: `let i = (group.y * groups.x + group.x) * ${THREADS}u + lane;
if (i < settings.size) { y[i] = 0.0; }`
}))

/** Zeros: what sums over nothing give, of which no buffer can be bound. */
export const zeros = (gpu: Gpu, shape: ReadonlyArray<number>, dtype: GpuType = "float32"): TensorInfo => {
  const y = gpu.output(shape, dtype)
  const size = sizeOf(shape)
  gpu.run(fill({}), { y }, { size }, foldGroups(Math.ceil(size / THREADS), gpu.limits))
  return y
}
