import type { TensorInfo } from "@tensorflow/tfjs-core"
import { halfForward, halfLinearForward, halfProductForward, wholeForward } from "../../../ops/half.ts"
import { sizeOf } from "../../../tensor/index.ts"
import type { Gpu } from "../gpu.ts"
import { foldGroups, type Groups, type Limits } from "../limits.ts"
import { type Shader, shaderOf } from "../shader.ts"
import { fused, type Replacement } from "../tfjs.ts"
import { matrix, type Operand, product } from "./gemm.ts"

const THREADS = 256

/** How four numbers a thread are shared out. */
export interface HalfPlan {
  readonly groups: Groups
  readonly uniforms: { readonly size: number }
}

/** `size` numbers, four a thread; the last thread may have fewer. */
export const plan = (size: number, limits: Limits): HalfPlan => ({
  groups: foldGroups(Math.ceil(size / (4 * THREADS)), limits),
  uniforms: { size }
})

/** Words that `size` halves take: whole pairs of words, in which products read them. */
export const wordsOf = (size: number): number => 2 * Math.ceil(size / 4)

/** By whole numbers, to the nearest and ties to even: WGSL leaves open which way `pack2x16float` rounds. */
const HALVES = `fn toHalf(x: f32) -> u32 {
  let size = bitcast<u32>(x) & 0x7fffffffu;
  let sign = (bitcast<u32>(x) >> 16u) & 0x8000u;
  if (size > 0x7f800000u) { return 0x7e00u; } // not a number
  if (size >= 0x477ff000u) { return sign | 0x7c00u; } // from 65,520 on
  if (size < 0x38800000u) { return sign | u32(round(bitcast<f32>(size) * 16777216.0)); } // below 2^-14: steps of 2^-24
  return sign | ((size - 0x38000000u + 0xfffu + ((size >> 13u) & 1u)) >> 13u);
}
fn toHalves(x: f32, y: f32) -> u32 { return toHalf(x) | (toHalf(y) << 16u); }`

/** x -> y: halves, two in a word. */
export const code: (params: Record<never, never>) => Shader<"x" | "y", "size"> = shaderOf(
  "half",
  (_: Record<never, never>) => ({
    bindings: { x: { access: "read", element: "f32" }, y: { access: "write", element: "vec2<u32>" } },
    uniforms: { size: "u32" },
    workgroup: [THREADS, 1],
    declarations: HALVES,
    body: `let at = 4u * ((group.y * groups.x + group.x) * ${THREADS}u + lane);
if (at >= settings.size) { return; }
var v = vec4<f32>(0.0);
for (var e = 0u; e < min(4u, settings.size - at); e++) { v[e] = x[at + e]; }
y[at / 4u] = vec2<u32>(toHalves(v.x, v.y), toHalves(v.z, v.w));`
  })
)

/** x -> y: halves back to 32-bit floats. */
export const wholeCode: (params: Record<never, never>) => Shader<"x" | "y", "size"> = shaderOf(
  "whole",
  (_: Record<never, never>) => ({
    bindings: { x: { access: "read", element: "vec2<u32>" }, y: { access: "write", element: "f32" } },
    uniforms: { size: "u32" },
    workgroup: [THREADS, 1],
    body: `let at = 4u * ((group.y * groups.x + group.x) * ${THREADS}u + lane);
if (at >= settings.size) { return; }
let words = x[at / 4u];
let v = vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
for (var e = 0u; e < min(4u, settings.size - at); e++) { y[at + e] = v[e]; }`
  })
)

const halves = (gpu: Gpu, x: TensorInfo): TensorInfo => {
  const size = sizeOf(x.shape)
  const y = gpu.output([wordsOf(size)], "int32")
  const { groups, uniforms } = plan(size, gpu.limits)
  gpu.run(code({}), { x, y }, uniforms, groups)
  return y
}

const whole = (gpu: Gpu, x: TensorInfo, shape: ReadonlyArray<number>): TensorInfo => {
  const y = gpu.output(shape)
  const { groups, uniforms } = plan(sizeOf(shape), gpu.limits)
  gpu.run(wholeCode({}), { x, y }, uniforms, groups)
  return y
}

const operand = (tensor: TensorInfo, columns: number, isTransposed: boolean): Operand => ({
  ...matrix(tensor, columns, isTransposed ? "transposed" : "plain"),
  type: "half"
})

/** Sixteen-bit storage: rounding, reading back, and products whose operands are packed. */
export const halfKernels: ReadonlyArray<Replacement> = [
  fused(halfForward, (gpu, { x }) => ({ y: halves(gpu, x) })),
  fused(wholeForward, (gpu, { x }, { shape }) => ({ y: whole(gpu, x, shape) })),
  fused(halfProductForward, (gpu, { a, b }, { m, n, k, transposeA, transposeB }) => {
    const y = gpu.output([m, n])
    const left = operand(a, transposeA ? m : k, transposeA)
    const right = operand(b, transposeB ? k : n, transposeB)
    product(gpu, { m, n, k, a: left, b: right, c: { tensor: y, row: n } })
    return { y }
  }),
  fused(halfLinearForward, (gpu, { x, weight, bias }, { rows, k, m }) => {
    const y = gpu.output([rows, m])
    const [a, b] = [operand(x, k, false), operand(weight, k, true)]
    product(gpu, { m: rows, n: m, k, a, b, c: { tensor: y, row: m }, bias })
    return { y }
  })
]
