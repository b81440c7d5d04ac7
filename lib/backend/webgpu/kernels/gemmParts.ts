import { foldGroups, type Groups, type Limits } from "../limits.ts"
import { type Shader, shaderOf, type ShaderText } from "../shader.ts"
import { type Epilogue, epilogue } from "./gemmEpilogue.ts"

const THREADS = 256

/** Constants of the sum of a product's parts. */
export type PartsParams = Epilogue & { readonly c: "f32" | "f32x4" }

const uniforms = { units: "u32", across: "u32", parts: "u32", alpha: "f32" } as const

/** Settings of the sum of a product's parts. */
export type PartsUniform = keyof typeof uniforms

/**
 * Parts [parts, size] of a product that was cut along its inner dimension -> their sum in order, with the epilogue: a
 * thread makes one number, or four. Bindings: part, c and, where asked for, bias, residual and pre.
 */
export const code: (params: PartsParams) => Shader<string, PartsUniform> = shaderOf(
  "gemmParts",
  (params: PartsParams): ShaderText<string, PartsUniform> => {
    const element = params.c === "f32x4" ? "vec4<f32>" : "f32"
    const { bindings, declarations, write } = epilogue(params, params.c)
    return {
      bindings: { part: { access: "read", element }, ...bindings },
      uniforms,
      workgroup: [THREADS, 1],
      declarations,
      body: `let at = (group.y * groups.x + group.x) * ${THREADS}u + lane;
if (at >= settings.units) { return; }
var sum = part[at];
for (var i = 1u; i < settings.parts; i++) { sum += part[i * settings.units + at]; }
${write("sum", "at", "at % settings.across")}`
    }
  }
)

/** How the parts of a dense result of that size, in rows of `n`, are added up. */
export const plan = (
  { size, n, parts, alpha }: Readonly<Record<"size" | "n" | "parts" | "alpha", number>>,
  limits: Limits
): {
  readonly c: "f32" | "f32x4"
  readonly uniforms: Readonly<Record<PartsUniform, number>>
  readonly groups: Groups
} => {
  const width = n % 4 === 0 ? 4 : 1
  const units = size / width
  return {
    c: width === 4 ? "f32x4" : "f32",
    uniforms: { units, across: n / width, parts, alpha },
    groups: foldGroups(Math.ceil(units / THREADS), limits)
  }
}
