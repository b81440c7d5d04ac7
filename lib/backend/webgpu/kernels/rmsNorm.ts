import type { TensorInfo } from "@tensorflow/tfjs-core"
import { rmsNormBackward, rmsNormForward } from "../../../ops/rmsNorm.ts"
import type { Gpu } from "../gpu.ts"
import { type Shader, shaderOf } from "../shader.ts"
import { fused, type Replacement } from "../tfjs.ts"
import {
  columnBody,
  columnDeclarations,
  columnSettings,
  type ColumnSumsParams,
  columnWorkgroup,
  joinBlocks,
  plan as planColumns
} from "./columnSums.ts"
import {
  columnsOf,
  eachUnit,
  planRows,
  type RowsParams,
  rowsSettings,
  rowStart,
  rowSum,
  rowsWorkgroup,
  unitDot,
  unitType
} from "./rows.ts"
import { zeros } from "./zeros.ts"

type RowsSetting = keyof typeof rowsSettings

/** y = x rstd gamma scale. */
export const forwardCode: (
  params: RowsParams
) => Shader<"x" | "gamma" | "y" | "rstd", RowsSetting | "eps" | "scale"> = shaderOf("rmsNorm", (params) => {
  const element = unitType(params.isVec4)
  return {
    bindings: {
      x: { access: "read", element },
      gamma: { access: "read", element },
      y: { access: "write", element },
      rstd: { access: "write", element: "f32" }
    },
    uniforms: { ...rowsSettings, eps: "f32", scale: "f32" },
    workgroup: rowsWorkgroup,
    declarations: rowSum(params, "f32"),
    body: `${rowStart(params)}
var squares = 0.0;
${eachUnit(params, `let v = x[at]; squares += ${unitDot(params.isVec4, "v", "v")};`)}
let r = inverseSqrt(rowSum(lane, squares) / ${columnsOf(params.isVec4)} + settings.eps);
let factor = r * settings.scale;
${eachUnit(params, "y[at] = x[at] * factor * gamma[i];")}
if (isRow && part == 0u) { rstd[row] = r; }`
  }
})

/** dx = (g - xhat mean(g xhat)) rstd, g = dy gamma scale, xhat = x rstd. */
export const dxCode: (
  params: RowsParams
) => Shader<"dy" | "x" | "gamma" | "rstd" | "dx", RowsSetting | "scale"> = shaderOf("rmsNormDx", (params) => {
  const element = unitType(params.isVec4)
  return {
    bindings: {
      dy: { access: "read", element },
      x: { access: "read", element },
      gamma: { access: "read", element },
      rstd: { access: "read", element: "f32" },
      dx: { access: "write", element }
    },
    uniforms: { ...rowsSettings, scale: "f32" },
    workgroup: rowsWorkgroup,
    declarations: rowSum(params, "f32"),
    body: `${rowStart(params)}
var r = 0.0;
if (isRow) { r = rstd[row]; }
var sum = 0.0;
${eachUnit(params, `let g = dy[at] * gamma[i]; let n = x[at] * r; sum += ${unitDot(params.isVec4, "g", "n")};`)}
let m = rowSum(lane, sum) / ${columnsOf(params.isVec4)};
let factor = r * settings.scale;
${eachUnit(params, "dx[at] = (dy[at] * gamma[i] - x[at] * r * m) * factor;")}`
  }
})

/** Chunks of rows: dgamma = scale times the sum of dy xhat. */
export const partsCode: (
  params: ColumnSumsParams
) => Shader<"dy" | "x" | "rstd" | "dgamma", keyof typeof columnSettings | "scale"> = shaderOf(
  "rmsNormParts",
  (params) => {
    const element = unitType(params.isVec4)
    return {
      bindings: {
        dy: { access: "read", element },
        x: { access: "read", element },
        rstd: { access: "read", element: "f32" },
        dgamma: { access: "write", element }
      },
      uniforms: { ...columnSettings, scale: "f32" },
      workgroup: columnWorkgroup,
      declarations: columnDeclarations(params, ["dgamma"]),
      body: columnBody(params, ["dgamma"], "dgammaSum += dy[at] * (x[at] * (rstd[row] * settings.scale));")
    }
  }
)

const gammaGrad = (
  gpu: Gpu,
  inputs: Readonly<Record<"dy" | "x" | "rstd", TensorInfo>>,
  scale: number,
  rows: number,
  cols: number
): TensorInfo => {
  const { params, first, second } = planColumns({ rows, cols }, gpu.limits)
  const dgamma = gpu.output(second === undefined ? [cols] : [first.blocks, cols])
  gpu.run(partsCode(params), { ...inputs, dgamma }, { ...first.uniforms, scale }, first.groups)
  return second === undefined ? dgamma : joinBlocks(gpu, params, dgamma, second, cols)
}

/** RMS norm of rows in one dispatch; its gradients in three, or two where there are few rows. */
export const rmsNormKernels: ReadonlyArray<Replacement> = [
  fused(rmsNormForward, (gpu, { x, gamma }, { eps, scale }) => {
    const [rows = 0, cols = 0] = x.shape
    if (rows * cols === 0) return { y: gpu.output(x.shape), rstd: zeros(gpu, [rows]) }
    const { params, groups, uniforms } = planRows({ rows, cols }, gpu.limits)
    const outputs = { y: gpu.output(x.shape), rstd: gpu.output([rows]) }
    gpu.run(forwardCode(params), { x, gamma, ...outputs }, { ...uniforms, eps, scale }, groups)
    return outputs
  }),
  fused(rmsNormBackward, (gpu, { dy, x, gamma, rstd }, { scale }) => {
    const [rows = 0, cols = 0] = x.shape
    const dx = gpu.output(x.shape)
    if (rows * cols === 0) return { dx, dgamma: zeros(gpu, [cols]) }
    const { params, groups, uniforms } = planRows({ rows, cols }, gpu.limits)
    gpu.run(dxCode(params), { dy, x, gamma, rstd, dx }, { ...uniforms, scale }, groups)
    return { dx, dgamma: gammaGrad(gpu, { dy, x, rstd }, scale, rows, cols) }
  })
]
