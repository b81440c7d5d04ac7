import { l2NormalizeBackward, l2NormalizeForward } from "../../../ops/l2Normalize.ts"
import { type Shader, shaderOf } from "../shader.ts"
import { fused, type Replacement } from "../tfjs.ts"
import {
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

/** The floor of the norm, as the operation has it. */
const FLOOR = 1e-12

/** y = x / norm, norm = max(|x|, 1e-12). A NaN is not below the floor, and stays. */
export const code: (params: RowsParams) => Shader<"x" | "y" | "norm", RowsSetting> = shaderOf(
  "l2Normalize",
  (params) => {
    const element = unitType(params.isVec4)
    return {
      bindings: {
        x: { access: "read", element },
        y: { access: "write", element },
        norm: { access: "write", element: "f32" }
      },
      uniforms: rowsSettings,
      workgroup: rowsWorkgroup,
      declarations: rowSum(params, "f32"),
      body: `${rowStart(params)}
var squares = 0.0;
${eachUnit(params, `let v = x[at]; squares += ${unitDot(params.isVec4, "v", "v")};`)}
let root = sqrt(rowSum(lane, squares));
let n = select(root, ${FLOOR}, root < ${FLOOR});
${eachUnit(params, "y[at] = x[at] / n;")}
if (isRow && part == 0u) { norm[row] = n; }`
    }
  }
)

/** dx = (dy - y (y . dy)) / norm. */
export const gradCode: (params: RowsParams) => Shader<"dy" | "y" | "norm" | "dx", RowsSetting> = shaderOf(
  "l2NormalizeGrad",
  (params) => {
    const element = unitType(params.isVec4)
    return {
      bindings: {
        dy: { access: "read", element },
        y: { access: "read", element },
        norm: { access: "read", element: "f32" },
        dx: { access: "write", element }
      },
      uniforms: rowsSettings,
      workgroup: rowsWorkgroup,
      declarations: rowSum(params, "f32"),
      body: `${rowStart(params)}
var products = 0.0;
${eachUnit(params, `products += ${unitDot(params.isVec4, "dy[at]", "y[at]")};`)}
let along = rowSum(lane, products);
var n = 1.0;
if (isRow) { n = norm[row]; }
${eachUnit(params, "dx[at] = (dy[at] - y[at] * along) / n;")}`
    }
  }
)

/** One dispatch each way. */
export const l2NormalizeKernels: ReadonlyArray<Replacement> = [
  fused(l2NormalizeForward, (gpu, { x }) => {
    const [rows = 0, cols = 0] = x.shape
    if (rows * cols === 0) return { y: gpu.output(x.shape), norm: zeros(gpu, [rows]) }
    const { params, groups, uniforms } = planRows({ rows, cols }, gpu.limits)
    const outputs = { y: gpu.output(x.shape), norm: gpu.output([rows]) }
    gpu.run(code(params), { x, ...outputs }, uniforms, groups)
    return outputs
  }),
  fused(l2NormalizeBackward, (gpu, { dy, y, norm }) => {
    const [rows = 0, cols = 0] = y.shape
    const dx = gpu.output(y.shape)
    if (rows * cols === 0) return { dx }
    const { params, groups, uniforms } = planRows({ rows, cols }, gpu.limits)
    gpu.run(gradCode(params), { dy, y, norm, dx }, uniforms, groups)
    return { dx }
  })
]
