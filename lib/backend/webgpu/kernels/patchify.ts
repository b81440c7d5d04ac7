import { patchifyForward } from "../../../ops/patchify.ts"
import type { Groups, Limits } from "../limits.ts"
import { type Shader, shaderOf } from "../shader.ts"
import { fused, type Replacement } from "../tfjs.ts"
import { eachElement, type ElementwiseParams, elementWorkgroup, planElements } from "./elementwise.ts"
import { unitType } from "./rows.ts"

type PatchifySetting = "units" | "channels" | "side" | "pixels" | "across"

/**
 * images [B, C, S, S] -> y [B, (S / p)^2, C p p], by places of y: unit `i` is one pixel, or four that lie side by side
 * in both. `across` is the units of a patch's row, `pixels` = p, `side` = S / p.
 */
export const code: (params: ElementwiseParams) => Shader<"images" | "y", PatchifySetting> = shaderOf(
  "patchify",
  ({ isVec4 }) => ({
    bindings: {
      images: { access: "read", element: unitType(isVec4) },
      y: { access: "write", element: unitType(isVec4) }
    },
    uniforms: { units: "u32", channels: "u32", side: "u32", pixels: "u32", across: "u32" },
    workgroup: elementWorkgroup,
    body: eachElement(`var rest = i;
let column = rest % settings.across; rest /= settings.across;
let row = rest % settings.pixels; rest /= settings.pixels;
let channel = rest % settings.channels; rest /= settings.channels;
let right = rest % settings.side; rest /= settings.side;
let down = rest % settings.side;
let image = rest / settings.side;
let line = ((image * settings.channels + channel) * settings.side + down) * settings.pixels + row;
y[i] = images[(line * settings.side + right) * settings.across + column];`)
  })
)

/** How images of a shape are cut: four pixels a thread where a patch's row is a multiple of that. */
export const plan = (
  [images = 0, channels = 0, size = 0]: ReadonlyArray<number>,
  patch: number,
  limits: Limits
): {
  readonly params: ElementwiseParams
  readonly groups: Groups
  readonly uniforms: Readonly<Record<PatchifySetting, number>>
} => {
  const isVec4 = patch % 4 === 0
  const across = isVec4 ? patch / 4 : patch
  const side = size / patch
  const units = images * channels * size * side * across
  return {
    params: { isVec4 },
    groups: planElements(isVec4 ? 4 * units : units, limits).groups,
    uniforms: { units, channels, side, pixels: patch, across }
  }
}

/** One dispatch. */
export const patchifyKernels: ReadonlyArray<Replacement> = [
  fused(patchifyForward, (gpu, { images }, { patchSize }) => {
    const [b = 0, c = 0, s = 0] = images.shape
    const { params, groups, uniforms } = plan(images.shape, patchSize, gpu.limits)
    const y = gpu.output([b, (s / patchSize) ** 2, c * patchSize ** 2])
    gpu.run(code(params), { images, y }, uniforms, groups)
    return { y }
  })
]
