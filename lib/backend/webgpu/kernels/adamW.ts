import type { TensorInfo } from "@tensorflow/tfjs-core"
import { type AdamWAttrs, adamWUpdate } from "../../../ops/adamW.ts"
import { sizeOf } from "../../../tensor/index.ts"
import type { Gpu } from "../gpu.ts"
import { foldGroups, type Groups, type Limits } from "../limits.ts"
import { type Binding, type Shader, shaderOf } from "../shader.ts"
import { fused, type Replacement } from "../tfjs.ts"

/** `width` is the threads of a workgroup, `components` the numbers that each of them updates: 1 or 4. */
export type AdamWParams = { readonly width: number; readonly components: number }

const settings = {
  count: "u32",
  beta1: "f32",
  rest1: "f32",
  beta2: "f32",
  rest2: "f32",
  root: "f32",
  eps: "f32",
  keep: "f32",
  rate: "f32"
} as const

/** The number of threads that have something to do, and the coefficients, computed on the host in double precision. */
type AdamWUniforms = keyof typeof settings

const elementOf = (components: number): Binding["element"] => components === 4 ? "vec4<f32>" : "f32"

const tensorsOf = (components: number): Readonly<Record<"p" | "g" | "m" | "v", Binding>> => ({
  p: { access: "update", element: elementOf(components) },
  g: { access: "read", element: elementOf(components) },
  m: { access: "update", element: elementOf(components) },
  v: { access: "update", element: elementOf(components) }
})

const bodyOf = ({ width }: AdamWParams): string => `
let i = (group.y * groups.x + group.x) * ${width}u + lane;
if (i >= settings.count) { return; }
let slope = g[i];
let mean = m[i] * settings.beta1 + slope * settings.rest1;
let square = v[i] * settings.beta2 + slope * slope * settings.rest2;
m[i] = mean;
v[i] = square;
p[i] = p[i] * settings.keep - mean / (sqrt(square) / settings.root + settings.eps) * settings.rate;`

/** p, m and v in place, by g. */
export const code: (params: AdamWParams) => Shader<"p" | "g" | "m" | "v", AdamWUniforms> = shaderOf(
  "adamW",
  (params) => ({
    bindings: tensorsOf(params.components),
    uniforms: settings,
    workgroup: [params.width, 1],
    body: bodyOf(params)
  })
)

/** The same where the one number of `flag` is not 0; where it is, p, m and v stay as they are. */
export const guardedCode: (params: AdamWParams) => Shader<"p" | "g" | "m" | "v" | "flag", AdamWUniforms> = shaderOf(
  "adamWGuarded",
  (params) => ({
    bindings: { ...tensorsOf(params.components), flag: { access: "read", element: "f32" } },
    uniforms: settings,
    workgroup: [params.width, 1],
    body: `if (flag[0] == 0.0) { return; }${bodyOf(params)}`
  })
)

/** x -> its numbers in memory of their own. */
export const copyCode: (params: AdamWParams) => Shader<"x" | "y", "count"> = shaderOf(
  "adamWCopy",
  ({ width, components }) => ({
    bindings: {
      x: { access: "read", element: elementOf(components) },
      y: { access: "write", element: elementOf(components) }
    },
    uniforms: { count: "u32" },
    workgroup: [width, 1],
    body: `
let i = (group.y * groups.x + group.x) * ${width}u + lane;
if (i < settings.count) { y[i] = x[i]; }`
  })
)

/** How the numbers of a parameter are spread over threads. */
export interface AdamWPlan {
  readonly params: AdamWParams
  /** Threads that have something to do. */
  readonly count: number
  readonly groups: Groups
}

/** A thread for four numbers of a parameter of `size`, or for one where they are no multiple of four. */
export const plan = (size: number, limits: Limits): AdamWPlan => {
  const width = Math.min(256, limits.maxComputeInvocationsPerWorkgroup, limits.maxComputeWorkgroupSizeX)
  const components = size % 4 === 0 ? 4 : 1
  const count = size / components
  return { params: { width, components }, count, groups: foldGroups(Math.ceil(count / width), limits) }
}

/** The tensors of one parameter. */
export type Moments = Readonly<Record<"p" | "m" | "v", TensorInfo>>

/** The tensor's own memory where nobody else holds it, else a copy. */
const owned = (gpu: Gpu, x: TensorInfo, { params, count, groups }: AdamWPlan): TensorInfo => {
  if (gpu.owners(x) === 1) return gpu.share(x)
  const y = gpu.output(x.shape)
  gpu.run(copyCode(params), { x, y }, { count }, groups)
  return y
}

/**
 * One parameter's update in one dispatch: p, m and v are written in place and handed back, except for those that somebody
 * else holds too; of these an updated copy is handed back. Nothing changes where the number of `flag` [1] is 0.
 */
export const updated = (
  gpu: Gpu,
  { p, m, v }: Moments,
  g: TensorInfo,
  { lr, beta1, beta2, eps, weightDecay, step }: AdamWAttrs,
  flag?: TensorInfo
): Moments => {
  const spread = plan(sizeOf(p.shape), gpu.limits)
  const results = { p: owned(gpu, p, spread), m: owned(gpu, m, spread), v: owned(gpu, v, spread) }
  const coefficients = {
    count: spread.count,
    beta1,
    rest1: 1 - beta1,
    beta2,
    rest2: 1 - beta2,
    root: Math.sqrt(1 - beta2 ** step),
    eps,
    keep: 1 - lr * weightDecay,
    rate: lr / (1 - beta1 ** step)
  }
  if (flag === undefined) gpu.run(code(spread.params), { ...results, g }, coefficients, spread.groups)
  else gpu.run(guardedCode(spread.params), { ...results, g, flag }, coefficients, spread.groups)
  return results
}

/** AdamW of one parameter, in place. */
export const adamWKernels: ReadonlyArray<Replacement> = [
  fused(adamWUpdate, (gpu, { p, g, m, v }, attrs) => updated(gpu, { p, m, v }, g, attrs))
]
