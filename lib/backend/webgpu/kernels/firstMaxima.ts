import { firstMaximaForward } from "../../../ops/firstMaxima.ts"
import { type Shader, shaderOf } from "../shader.ts"
import { fused, type Replacement } from "../tfjs.ts"
import { planRows, rowsOf, rowsSettings, rowsWorkgroup } from "./rows.ts"
import { zeros } from "./zeros.ts"

/** `threads` have a row together; `element` is the type of its numbers. */
export type FirstMaximaParams = { readonly threads: number; readonly element: "f32" | "i32" }

/**
 * units r + the column of the first maximum of row r. Each thread keeps the first of its own columns, of which a row's
 * threads keep the greater, and of equals the earlier; a thread without columns has column `units`, and loses.
 */
export const code: (params: FirstMaximaParams) => Shader<"x" | "y", keyof typeof rowsSettings> = shaderOf(
  "firstMaxima",
  ({ threads, element }) => ({
    bindings: { x: { access: "read", element }, y: { access: "write", element: "i32" } },
    uniforms: rowsSettings,
    workgroup: rowsWorkgroup,
    declarations: `var<workgroup> values: array<${element}, ${rowsWorkgroup[0]}>;
var<workgroup> columns: array<u32, ${rowsWorkgroup[0]}>;`,
    body: `let part = lane % ${threads}u;
let row = (group.y * groups.x + group.x) * ${rowsOf({ threads, isVec4: false })}u + lane / ${threads}u;
let isRow = row < settings.rows;
var value = ${element}(0);
var column = settings.units;
if (isRow && part < settings.units) {
  value = x[row * settings.units + part];
  column = part;
  for (var i = part + ${threads}u; i < settings.units; i += ${threads}u) {
    let other = x[row * settings.units + i];
    if (other > value) { value = other; column = i; }
  }
}
values[lane] = value;
columns[lane] = column;
for (var half = ${threads / 2}u; half > 0u; half /= 2u) {
  workgroupBarrier();
  if (part < half) {
    let other = values[lane + half];
    let otherColumn = columns[lane + half];
    let isEarlier = other == values[lane] && otherColumn < columns[lane];
    if (otherColumn < settings.units && (other > values[lane] || isEarlier)) {
      values[lane] = other;
      columns[lane] = otherColumn;
    }
  }
}
if (isRow && part == 0u) { y[row] = i32(row * settings.units + columns[lane]); }`
  })
)

/** One dispatch. A row with a NaN gives one of its columns. */
export const firstMaximaKernels: ReadonlyArray<Replacement> = [
  fused(firstMaximaForward, (gpu, { x }) => {
    const [rows = 0, cols = 0] = x.shape
    if (rows * cols === 0) return { y: zeros(gpu, [rows], "int32") }
    const { params, groups } = planRows({ rows, cols }, gpu.limits)
    const y = gpu.output([rows], "int32")
    const element = x.dtype === "int32" ? "i32" : "f32"
    gpu.run(code({ threads: params.threads, element }), { x, y }, { rows, units: cols }, groups)
    return { y }
  })
]
