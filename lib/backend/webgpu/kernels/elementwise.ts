/** What kernels on each number for itself share. */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import type { Gpu } from "../gpu.ts"
import { sizeOf } from "../../../tensor/index.ts"
import { foldGroups, type Groups, type Limits } from "../limits.ts"
import { type Shader, shaderOf } from "../shader.ts"
import { unitType } from "./rows.ts"

const THREADS = 256

/** Whether a thread has four numbers. */
export type ElementwiseParams = { readonly isVec4: boolean }

/** How `size` numbers are shared out: `units` of one or four. */
export interface ElementwisePlan {
  readonly params: ElementwiseParams
  readonly groups: Groups
  readonly units: number
}

/** Four numbers a thread where there are four each. */
export const planElements = (size: number, limits: Limits): ElementwisePlan => {
  const isVec4 = size % 4 === 0
  const units = isVec4 ? size / 4 : size
  return { params: { isVec4 }, groups: foldGroups(Math.ceil(units / THREADS), limits), units }
}

/** Threads of a workgroup, for `workgroup`. */
export const elementWorkgroup: readonly [number, number] = [THREADS, 1]

/** Statements for the thread's unit `i`, if it has one. */
export const eachElement = (statements: string): string =>
  `let i = (group.y * groups.x + group.x) * ${THREADS}u + lane;
if (i < settings.units) { ${statements} }`

/** A function of one f32 on each number of a unit. */
export const mapped = (isVec4: boolean, name: string, unit: string): string =>
  isVec4 ?
    `vec4<f32>(${["x", "y", "z", "w"].map((part) => `${name}(${unit}.${part})`).join(", ")})` :
    `${name}(${unit})`

/** y = f(x), for `fn name(x: f32) -> f32`. */
export const mapCode = (
  name: string,
  declarations: string
): (params: ElementwiseParams) => Shader<"x" | "y", "units"> =>
  shaderOf(name, ({ isVec4 }) => ({
    bindings: { x: { access: "read", element: unitType(isVec4) }, y: { access: "write", element: unitType(isVec4) } },
    uniforms: { units: "u32" },
    workgroup: elementWorkgroup,
    declarations,
    body: eachElement(`let v = x[i]; y[i] = ${mapped(isVec4, name, "v")};`)
  }))

/** dx = dy f'(x), for `fn name(x: f32) -> f32` that is the derivative. */
export const mapGradCode = (
  name: string,
  declarations: string
): (params: ElementwiseParams) => Shader<"dy" | "x" | "dx", "units"> =>
  shaderOf(name, ({ isVec4 }) => ({
    bindings: {
      dy: { access: "read", element: unitType(isVec4) },
      x: { access: "read", element: unitType(isVec4) },
      dx: { access: "write", element: unitType(isVec4) }
    },
    uniforms: { units: "u32" },
    workgroup: elementWorkgroup,
    declarations,
    body: eachElement(`let v = x[i]; dx[i] = dy[i] * ${mapped(isVec4, name, "v")};`)
  }))

/** Runs `mapCode`'s shader: x of any shape -> y. */
export const runMap = (gpu: Gpu, code: ReturnType<typeof mapCode>, x: TensorInfo): TensorInfo => {
  const { params, groups, units } = planElements(sizeOf(x.shape), gpu.limits)
  const y = gpu.output(x.shape)
  gpu.run(code(params), { x, y }, { units }, groups)
  return y
}

/** Runs `mapGradCode`'s shader: dy, x of one shape -> dx. */
export const runMapGrad = (
  gpu: Gpu,
  code: ReturnType<typeof mapGradCode>,
  dy: TensorInfo,
  x: TensorInfo
): TensorInfo => {
  const { params, groups, units } = planElements(sizeOf(x.shape), gpu.limits)
  const dx = gpu.output(x.shape)
  gpu.run(code(params), { dy, x, dx }, { units }, groups)
  return dx
}
