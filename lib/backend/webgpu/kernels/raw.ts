import type { TensorInfo } from "@tensorflow/tfjs-core"
import { accumulateForward, clampForward, finiteForward, selectForward } from "../../../ops/raw.ts"
import { sizeOf } from "../../../tensor/index.ts"
import { type Shader, shaderOf } from "../shader.ts"
import { fused, type Replacement } from "../tfjs.ts"
import { eachElement, type ElementwiseParams, elementWorkgroup, planElements } from "./elementwise.ts"
import { type RowsParams, rowsWorkgroup, unitType } from "./rows.ts"

/** x between two bounds. min and max may lose a NaN, so that x with the exponent of one is told by its bits. */
export const clampCode: (params: ElementwiseParams) => Shader<"x" | "y", "units" | "lo" | "hi"> = shaderOf(
  "clamp",
  ({ isVec4 }) => {
    const [element, bits] = [unitType(isVec4), isVec4 ? "vec4<u32>" : "u32"]
    return {
      bindings: { x: { access: "read", element }, y: { access: "write", element } },
      uniforms: { units: "u32", lo: "f32", hi: "f32" },
      workgroup: elementWorkgroup,
      body: eachElement(`let v = x[i];
let isNan = (bitcast<${bits}>(v) & ${bits}(0x7fffffffu)) > ${bits}(0x7f800000u);
y[i] = select(clamp(v, ${element}(settings.lo), ${element}(settings.hi)), v, isNan);`)
    }
  }
)

/** a where isOn is not 0, else b: words, whatever their type. */
export const selectCode: (params: ElementwiseParams) => Shader<"isOn" | "a" | "b" | "y", "units"> = shaderOf(
  "select",
  ({ isVec4 }) => {
    const element = isVec4 ? "vec4<u32>" : "u32"
    return {
      bindings: {
        isOn: { access: "read", element: "u32" },
        a: { access: "read", element },
        b: { access: "read", element },
        y: { access: "write", element }
      },
      uniforms: { units: "u32" },
      workgroup: elementWorkgroup,
      body: `let isChosen = (isOn[0] & 0x7fffffffu) != 0u; // not 0.0, -0.0 or 0
${eachElement("if (isChosen) { y[i] = a[i]; } else { y[i] = b[i]; }")}`
    }
  }
)

/** sum += x, in place. */
export const addToCode: (params: ElementwiseParams) => Shader<"sum" | "x", "units"> = shaderOf(
  "addTo",
  ({ isVec4 }) => ({
    bindings: {
      sum: { access: "update", element: unitType(isVec4) },
      x: { access: "read", element: unitType(isVec4) }
    },
    uniforms: { units: "u32" },
    workgroup: elementWorkgroup,
    body: eachElement("sum[i] += x[i];")
  })
)

/** y = sum + x. */
export const addCode: (params: ElementwiseParams) => Shader<"sum" | "x" | "y", "units"> = shaderOf(
  "add",
  ({ isVec4 }) => ({
    bindings: {
      sum: { access: "read", element: unitType(isVec4) },
      x: { access: "read", element: unitType(isVec4) },
      y: { access: "write", element: unitType(isVec4) }
    },
    uniforms: { units: "u32" },
    workgroup: elementWorkgroup,
    body: eachElement("y[i] = sum[i] + x[i];")
  })
)

/** One workgroup. A number is finite where its exponent's bits are not all 1. */
export const finiteCode: (params: Pick<RowsParams, "threads">) => Shader<"x" | "y", "size"> = shaderOf(
  "finite",
  ({ threads }) => ({
    bindings: { x: { access: "read", element: "u32" }, y: { access: "write", element: "f32" } },
    uniforms: { size: "u32" },
    workgroup: [threads, 1],
    declarations: `var<workgroup> broken: array<u32, ${threads}>;`,
    body: `var count = 0u;
for (var i = lane; i < settings.size; i += ${threads}u) {
  count |= select(0u, 1u, (x[i] & 0x7f800000u) == 0x7f800000u);
}
broken[lane] = count;
for (var half = ${threads / 2}u; half > 0u; half /= 2u) {
  workgroupBarrier();
  if (lane < half) { broken[lane] |= broken[lane + half]; }
}
if (lane == 0u) { y[0] = select(0.0, 1.0, broken[0] == 0u); }`
  })
)

/** The clamp, sums of gradients in place, and choices that the device makes; one dispatch each. */
export const rawKernels: ReadonlyArray<Replacement> = [
  fused(clampForward, (gpu, { x }, { lo, hi }) => {
    const { params, groups, units } = planElements(sizeOf(x.shape), gpu.limits)
    const y = gpu.output(x.shape)
    gpu.run(clampCode(params), { x, y }, { units, lo, hi }, groups)
    return { y }
  }),
  fused(selectForward, (gpu, { isOn, a, b }) => {
    const { params, groups, units } = planElements(sizeOf(a.shape), gpu.limits)
    const y = gpu.output(a.shape, a.dtype === "int32" ? "int32" : "float32")
    gpu.run(selectCode(params), { isOn, a, b, y }, { units }, groups)
    return { y }
  }),
  fused(accumulateForward, (gpu, { sum, x }) => {
    const { params, groups, units } = planElements(sizeOf(sum.shape), gpu.limits)
    if (units === 0) return { sum: gpu.output(sum.shape) }
    const isOwn = gpu.owners(sum) === 1 && sum.dataId !== x.dataId
    if (isOwn) {
      gpu.run(addToCode(params), { sum, x }, { units }, groups)
      return { sum: gpu.share(sum) }
    }
    const y: TensorInfo = gpu.output(sum.shape)
    gpu.run(addCode(params), { sum, x, y }, { units }, groups)
    return { sum: y }
  }),
  fused(finiteForward, (gpu, { x }) => {
    const y = gpu.output([1])
    gpu.run(finiteCode({ threads: rowsWorkgroup[0] }), { x, y }, { size: sizeOf(x.shape) }, [1, 1, 1])
    return { y }
  })
]
