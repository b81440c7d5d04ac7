import type { TensorInfo } from "@tensorflow/tfjs-core"
import type { Gpu } from "../gpu.ts"
import { foldGroups } from "../limits.ts"
import { shaderOf } from "../shader.ts"

const THREADS = 256

const fill = shaderOf("zeros", (_: Record<never, never>) => ({
  bindings: { y: { access: "write", element: "f32" } },
  uniforms: { size: "u32" },
  workgroup: [THREADS, 1],
  body: `let i = (group.y * groups.x + group.x) * ${THREADS}u + lane;
if (i < settings.size) { y[i] = 0.0; }`
}))

/** A float tensor of zeros: what sums over nothing give, of which no buffer can be bound. */
export const zeros = (gpu: Gpu, shape: ReadonlyArray<number>): TensorInfo => {
  const y = gpu.output(shape)
  const size = shape.reduce((product, dim) => product * dim, 1)
  gpu.run(fill({}), { y }, { size }, foldGroups(Math.ceil(size / THREADS), gpu.limits))
  return y
}
