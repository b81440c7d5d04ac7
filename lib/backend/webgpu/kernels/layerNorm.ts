import type { TensorInfo } from "@tensorflow/tfjs-core"
import { layerNormBackward, layerNormForward } from "../../../ops/layerNorm.ts"
import type { Gpu } from "../gpu.ts"
import { type Shader, shaderOf } from "../shader.ts"
import { fused, type Replacement } from "../tfjs.ts"
import {
  columnBody,
  columnDeclarations,
  columnSettings,
  type ColumnSumsParams,
  columnWorkgroup,
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
  unitSum,
  unitType
} from "./rows.ts"
import { zeros } from "./zeros.ts"

type RowsSetting = keyof typeof rowsSettings
type ColumnsSetting = keyof typeof columnSettings

/** The variance in a second pass, of centred numbers: mean(x^2) - mean^2 would cancel. */
export const forwardCode: (
  params: RowsParams
) => Shader<"x" | "gamma" | "beta" | "y" | "mean" | "rstd", RowsSetting | "eps"> = shaderOf(
  "layerNorm",
  (params) => {
    const element = unitType(params.isVec4)
    const columns = columnsOf(params.isVec4)
    return {
      bindings: {
        x: { access: "read", element },
        gamma: { access: "read", element },
        beta: { access: "read", element },
        y: { access: "write", element },
        mean: { access: "write", element: "f32" },
        rstd: { access: "write", element: "f32" }
      },
      uniforms: { ...rowsSettings, eps: "f32" },
      workgroup: rowsWorkgroup,
      declarations: rowSum(params, "f32"),
      body: `${rowStart(params)}
var sum = 0.0;
${eachUnit(params, `sum += ${unitSum(params.isVec4, "x[at]")};`)}
let mu = rowSum(lane, sum) / ${columns};
var squares = 0.0;
${eachUnit(params, `let c = x[at] - mu; squares += ${unitDot(params.isVec4, "c", "c")};`)}
let r = inverseSqrt(rowSum(lane, squares) / ${columns} + settings.eps);
${eachUnit(params, "y[at] = (x[at] - mu) * r * gamma[i] + beta[i];")}
if (isRow && part == 0u) { mean[row] = mu; rstd[row] = r; }`
    }
  }
)

/** dx = (g - mean(g) - xhat mean(g xhat)) rstd, g = dy gamma: both means in one reduction. */
export const dxCode: (
  params: RowsParams
) => Shader<"dy" | "x" | "gamma" | "mean" | "rstd" | "dx", RowsSetting> = shaderOf(
  "layerNormDx",
  (params) => {
    const element = unitType(params.isVec4)
    const both = `vec2<f32>(${unitSum(params.isVec4, "g")}, ${unitDot(params.isVec4, "g", "n")})`
    return {
      bindings: {
        dy: { access: "read", element },
        x: { access: "read", element },
        gamma: { access: "read", element },
        mean: { access: "read", element: "f32" },
        rstd: { access: "read", element: "f32" },
        dx: { access: "write", element }
      },
      uniforms: rowsSettings,
      workgroup: rowsWorkgroup,
      declarations: rowSum(params, "vec2<f32>"),
      body: `${rowStart(params)}
var mu = 0.0; var r = 0.0;
if (isRow) { mu = mean[row]; r = rstd[row]; }
var sum = vec2<f32>(0.0);
${eachUnit(params, `let g = dy[at] * gamma[i]; let n = (x[at] - mu) * r; sum += ${both};`)}
let m = rowSum(lane, sum) / ${columnsOf(params.isVec4)};
${eachUnit(params, "dx[at] = (dy[at] * gamma[i] - m.x - (x[at] - mu) * r * m.y) * r;")}`
    }
  }
)

/** Chunks of rows: dgamma = sum of dy xhat, dbeta = sum of dy. */
export const partsCode: (
  params: ColumnSumsParams
) => Shader<"dy" | "x" | "mean" | "rstd" | "dgamma" | "dbeta", ColumnsSetting> = shaderOf(
  "layerNormParts",
  (params) => {
    const element = unitType(params.isVec4)
    const add = "let g = dy[at]; dgammaSum += g * ((x[at] - mean[row]) * rstd[row]); dbetaSum += g;"
    return {
      bindings: {
        dy: { access: "read", element },
        x: { access: "read", element },
        mean: { access: "read", element: "f32" },
        rstd: { access: "read", element: "f32" },
        dgamma: { access: "write", element },
        dbeta: { access: "write", element }
      },
      uniforms: columnSettings,
      workgroup: columnWorkgroup,
      declarations: columnDeclarations(params, ["dgamma", "dbeta"]),
      body: columnBody(params, ["dgamma", "dbeta"], add)
    }
  }
)

/** The chunks' sums -> dgamma, dbeta. */
export const joinCode: (
  params: ColumnSumsParams
) => Shader<"gammaParts" | "betaParts" | "dgamma" | "dbeta", ColumnsSetting> = shaderOf(
  "layerNormJoin",
  (params) => {
    const element = unitType(params.isVec4)
    return {
      bindings: {
        gammaParts: { access: "read", element },
        betaParts: { access: "read", element },
        dgamma: { access: "write", element },
        dbeta: { access: "write", element }
      },
      uniforms: columnSettings,
      workgroup: columnWorkgroup,
      declarations: columnDeclarations(params, ["dgamma", "dbeta"]),
      body: columnBody(params, ["dgamma", "dbeta"], "dgammaSum += gammaParts[at]; dbetaSum += betaParts[at];")
    }
  }
)

const parameterGrads = (
  gpu: Gpu,
  inputs: Readonly<Record<"dy" | "x" | "mean" | "rstd", TensorInfo>>,
  rows: number,
  cols: number
): { readonly dgamma: TensorInfo; readonly dbeta: TensorInfo } => {
  const { params, first, second } = planColumns({ rows, cols }, gpu.limits)
  const outputs = (shape: ReadonlyArray<number>) => ({ dgamma: gpu.output(shape), dbeta: gpu.output(shape) })
  const parts = outputs(second === undefined ? [cols] : [first.blocks, cols])
  const { dy, x, mean, rstd } = inputs
  gpu.run(partsCode(params), { dy, x, mean, rstd, ...parts }, first.uniforms, first.groups)
  if (second === undefined) return parts
  const sums = outputs([cols])
  const given = { gammaParts: parts.dgamma, betaParts: parts.dbeta }
  gpu.run(joinCode(params), { ...given, ...sums }, second.uniforms, second.groups)
  gpu.free(parts.dgamma)
  gpu.free(parts.dbeta)
  return sums
}

/** Layer norm of rows in one dispatch; its gradients in three, or two where there are few rows. */
export const layerNormKernels: ReadonlyArray<Replacement> = [
  fused(layerNormForward, (gpu, { x, gamma, beta }, { eps }) => {
    const [rows = 0, cols = 0] = x.shape
    if (rows * cols === 0) return { y: gpu.output(x.shape), mean: zeros(gpu, [rows]), rstd: zeros(gpu, [rows]) }
    const { params, groups, uniforms } = planRows({ rows, cols }, gpu.limits)
    const outputs = { y: gpu.output(x.shape), mean: gpu.output([rows]), rstd: gpu.output([rows]) }
    gpu.run(forwardCode(params), { x, gamma, beta, ...outputs }, { ...uniforms, eps }, groups)
    return outputs
  }),
  fused(layerNormBackward, (gpu, { dy, x, gamma, mean, rstd }) => {
    const [rows = 0, cols = 0] = x.shape
    const dx = gpu.output(x.shape)
    if (rows * cols === 0) return { dx, dgamma: zeros(gpu, [cols]), dbeta: zeros(gpu, [cols]) }
    const { params, groups, uniforms } = planRows({ rows, cols }, gpu.limits)
    gpu.run(dxCode(params), { dy, x, gamma, mean, rstd, dx }, uniforms, groups)
    return { dx, ...parameterGrads(gpu, { dy, x, mean, rstd }, rows, cols) }
  })
]
