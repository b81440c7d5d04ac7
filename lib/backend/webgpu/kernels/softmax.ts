import type { TensorInfo } from "@tensorflow/tfjs-core"
import { softmaxBackward, softmaxForward } from "../../../ops/softmax.ts"
import { sizeOf } from "../../../tensor/index.ts"
import { type Shader, shaderOf } from "../shader.ts"
import { fused, type Replacement } from "../tfjs.ts"
import {
  eachUnit,
  planRows,
  rowMax,
  type RowsParams,
  rowsSettings,
  rowStart,
  rowSum,
  rowsWorkgroup,
  unitDot,
  unitSum,
  unitType
} from "./rows.ts"

type RowsSetting = keyof typeof rowsSettings

/** The least f32: what a hidden score is, and a maximum of none. Not -infinity, which WGSL may take not to exist. */
const LEAST = "-3.40282346638528859812e+38f"

/** Whether the columns of unit `i` are to be seen from row `seen` of a map. */
const seen = (isVec4: boolean): string =>
  isVec4 ? "(vec4<u32>(4u * i) + vec4<u32>(0u, 1u, 2u, 3u)) <= vec4<u32>(last)" : "i <= last"

/**
 * Rows [rows, units] of maps of `mapRows` rows each; `last` is a row's number in its map, which with `causal` is the
 * last column that it sees. A row is read three times: for its maximum, its sum and its result.
 */
export const code: (
  params: RowsParams & { readonly causal: boolean }
) => Shader<"x" | "y", RowsSetting | "mapRows"> = shaderOf("softmax", ({ causal, ...params }) => {
  const { isVec4 } = params
  const element = unitType(isVec4)
  const least = `${element}(${LEAST})`
  const score = causal ? `select(${least}, x[at], ${seen(isVec4)})` : "x[at]"
  const weight = `exp(${score} - most)`
  const visible = causal ? `select(${element}(0.0), ${weight}, ${seen(isVec4)})` : weight
  const greatest = isVec4 ? "max(max(v.x, v.y), max(v.z, v.w))" : "v"
  return {
    bindings: { x: { access: "read", element }, y: { access: "write", element } },
    uniforms: { ...rowsSettings, mapRows: "u32" },
    workgroup: rowsWorkgroup,
    declarations: `${rowMax(params)}\n${rowSum(params, "f32")}`,
    body: `${rowStart(params)}
let last = row % settings.mapRows;
var greatest = ${LEAST};
${eachUnit(params, `let v = ${score}; greatest = max(greatest, ${greatest});`)}
let most = rowMax(lane, greatest);
var own = 0.0;
${eachUnit(params, `let v = ${visible}; own += ${unitSum(isVec4, "v")};`)}
let sum = rowSum(lane, own);
${eachUnit(params, `y[at] = ${visible} / sum;`)}`
  }
})

/** dx = y (dy - the row's sum of dy y). */
export const gradCode: (params: RowsParams) => Shader<"dy" | "y" | "dx", RowsSetting> = shaderOf(
  "softmaxGrad",
  (params) => {
    const element = unitType(params.isVec4)
    return {
      bindings: {
        dy: { access: "read", element },
        y: { access: "read", element },
        dx: { access: "write", element }
      },
      uniforms: rowsSettings,
      workgroup: rowsWorkgroup,
      declarations: rowSum(params, "f32"),
      body: `${rowStart(params)}
var products = 0.0;
${eachUnit(params, `products += ${unitDot(params.isVec4, "dy[at]", "y[at]")};`)}
let sum = rowSum(lane, products);
${eachUnit(params, "dx[at] = y[at] * (dy[at] - sum);")}`
    }
  }
)

const sizes = ({ shape }: TensorInfo): { readonly rows: number; readonly cols: number } => ({
  rows: sizeOf(shape.slice(0, -1)),
  cols: shape.at(-1) ?? 1
})

/** One dispatch each way; what is hidden is exactly 0. */
export const softmaxKernels: ReadonlyArray<Replacement> = [
  fused(softmaxForward, (gpu, { x }, { causal }) => {
    const y = gpu.output(x.shape)
    const { rows, cols } = sizes(x)
    if (rows * cols === 0) return { y }
    const { params, groups, uniforms } = planRows({ rows, cols }, gpu.limits)
    gpu.run(code({ ...params, causal }), { x, y }, { ...uniforms, mapRows: x.shape.at(-2) ?? 1 }, groups)
    return { y }
  }),
  fused(softmaxBackward, (gpu, { dy, y }) => {
    const dx = gpu.output(y.shape)
    const { rows, cols } = sizes(y)
    if (rows * cols === 0) return { dx }
    const { params, groups, uniforms } = planRows({ rows, cols }, gpu.limits)
    gpu.run(gradCode(params), { dy, y, dx }, uniforms, groups)
    return { dx }
  })
]
