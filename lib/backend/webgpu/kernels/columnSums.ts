import type { TensorInfo } from "@tensorflow/tfjs-core"
import { sizeOf } from "../../../tensor/index.ts"
import type { Gpu } from "../gpu.ts"
import { foldGroups, type Groups, type Limits } from "../limits.ts"
import { type Shader, shaderOf } from "../shader.ts"
import { type Replacement, stockKernel } from "../tfjs.ts"
import { unitType } from "./rows.ts"
import { zeros } from "./zeros.ts"

const THREADS = 128
/** More threads a column than this join their sums in two steps. */
const FLAT = 16
/** Threads of a workgroup that stand side by side, each with a column or four; the others share its rows. */
const LANES = [1, 8, 32] as const
/** So few rows are added up at once; of more, each workgroup takes as many at least. */
const FEW_ROWS = 64
/** Workgroups that fill a large card; more would only make more partial sums. */
const MANY_GROUPS = 1024

/** `lanes`: threads side by side; `isVec4`: whether each has four columns. */
export type ColumnSumsParams = { readonly lanes: number; readonly isVec4: boolean }

/** The settings of a pass over columns: `across` workgroups stand side by side, `count` there are. */
export const columnSettings = { rows: "u32", units: "u32", chunk: "u32", across: "u32", count: "u32" } as const

/** Threads of a workgroup, for `workgroup`. */
export const columnWorkgroup: readonly [number, number] = [THREADS, 1]

/** The sums of a workgroup's threads: an array for each of `names`. */
export const columnDeclarations = ({ isVec4 }: ColumnSumsParams, names: ReadonlyArray<string>): string =>
  names.map((name) => `var<workgroup> ${name}Sums: array<${unitType(isVec4)}, ${THREADS}>;`).join("\n")

/**
 * The statements of a pass over [rows, units], a unit being one or four columns: for each `chunk` of rows and each of
 * `names` a sum, written to name[chunk * units + column]. `add` is one row's share, to `nameSum`; it sees `row`, `column`
 * and `at`, the place of its unit. A thread adds every (THREADS / lanes)-th row of a chunk, the first row of threads
 * then what all of them have: a fixed order.
 */
export const columnBody = ({ lanes, isVec4 }: ColumnSumsParams, names: ReadonlyArray<string>, add: string): string => {
  const each = (text: (name: string) => string) => names.map(text).join(" ")
  const height = THREADS / lanes
  return `let number = group.y * groups.x + group.x;
if (number >= settings.count) { return; }
let block = number / settings.across;
let column = (number % settings.across) * ${lanes}u + lane % ${lanes}u;
${each((name) => `var ${name}Sum = ${unitType(isVec4)}(0.0);`)}
if (column < settings.units) {
  let end = min(settings.rows, (block + 1u) * settings.chunk);
  for (var row = block * settings.chunk + lane / ${lanes}u; row < end; row += ${height}u) {
    let at = row * settings.units + column;
    ${add}
  }
}
${each((name) => `${name}Sums[lane] = ${name}Sum;`)}
workgroupBarrier();
${
    height <= FLAT ? "" : `if (lane < ${FLAT * lanes}u) {
  for (var i = lane + ${FLAT * lanes}u; i < ${THREADS}u; i += ${FLAT * lanes}u) { ${
      each((name) => `${name}Sum += ${name}Sums[i];`)
    } }
  ${each((name) => `${name}Sums[lane] = ${name}Sum;`)}
}
workgroupBarrier();`
  }
if (lane < ${lanes}u && column < settings.units) {
  ${each((name) => `${name}Sum = ${name}Sums[lane];`)}
  for (var i = 1u; i < ${Math.min(height, FLAT)}u; i++) { ${
    each((name) => `${name}Sum += ${name}Sums[lane + ${lanes}u * i];`)
  } }
  ${each((name) => `${name}[block * settings.units + column] = ${name}Sum;`)}
}`
}

/** Sums of `chunk` rows of x [rows, units] -> y [ceil(rows / chunk), units]. */
export const code: (params: ColumnSumsParams) => Shader<"x" | "y", ColumnSumsSetting> = shaderOf(
  "columnSums",
  (params) => ({
    bindings: {
      x: { access: "read", element: unitType(params.isVec4) },
      y: { access: "write", element: unitType(params.isVec4) }
    },
    uniforms: columnSettings,
    workgroup: columnWorkgroup,
    declarations: columnDeclarations(params, ["y"]),
    body: columnBody(params, ["y"], "ySum += x[at];")
  })
)

type ColumnSumsSetting = keyof typeof columnSettings

/** One pass over the rows: `blocks` sums of `chunk` rows each. */
export interface ColumnSumsStage {
  readonly blocks: number
  readonly groups: Groups
  readonly uniforms: Readonly<Record<ColumnSumsSetting, number>>
}

/** One pass, or two where there are many rows: the last has one block. */
export interface ColumnSumsPlan {
  readonly params: ColumnSumsParams
  readonly first: ColumnSumsStage
  /** Adds up the blocks of the first, where there are more than one. */
  readonly second: ColumnSumsStage | undefined
}

/** How the columns of [rows, cols] are added up. */
export const plan = (
  { rows, cols }: { readonly rows: number; readonly cols: number },
  limits: Limits
): ColumnSumsPlan => {
  const isVec4 = cols % 4 === 0
  const units = isVec4 ? cols / 4 : cols
  const lanes = LANES.find((width) => width >= units) ?? 32
  const across = Math.ceil(units / lanes)
  const stage = (rows: number, wanted: number): ColumnSumsStage => {
    const chunk = Math.ceil(rows / wanted)
    const blocks = Math.ceil(rows / chunk)
    const count = across * blocks
    return { blocks, groups: foldGroups(count, limits), uniforms: { rows, units, chunk, across, count } }
  }
  const fewest = Math.max(FEW_ROWS, THREADS / lanes)
  const wanted = Math.min(Math.ceil(rows / fewest), Math.max(1, Math.ceil(MANY_GROUPS / across)))
  const first = stage(rows, wanted)
  return { params: { lanes, isVec4 }, first, second: first.blocks === 1 ? undefined : stage(first.blocks, 1) }
}

/**
 * The sum of each column of x, seen as [rows, cols] -> a new tensor [cols]. One dispatch, or two for more than a few
 * rows; the order of the sums depends on the sizes alone.
 */
export const columnSums = (gpu: Gpu, x: TensorInfo, rows: number, cols: number): TensorInfo => {
  if (rows === 0) return zeros(gpu, [cols])
  const { params, first, second } = plan({ rows, cols }, gpu.limits)
  const parts = gpu.output(second === undefined ? [cols] : [first.blocks, cols])
  gpu.run(code(params), { x, y: parts }, first.uniforms, first.groups)
  return second === undefined ? parts : joinBlocks(gpu, params, parts, second, cols)
}

/** The second pass: adds up the sums of the first, which it frees. */
export const joinBlocks = (
  gpu: Gpu,
  params: ColumnSumsParams,
  parts: TensorInfo,
  { uniforms, groups }: ColumnSumsStage,
  cols: number
): TensorInfo => {
  const y = gpu.output([cols])
  gpu.run(code(params), { x: parts, y }, uniforms, groups)
  gpu.free(parts)
  return y
}

/** How many leading axes a reduction is over, up to all of them; undefined where it is over others, or none. */
export const leadingAxes = (rank: number, axis: ReadonlyArray<number> | undefined): number | undefined => {
  const axes = new Set((axis ?? [...Array(rank).keys()]).map((at) => at < 0 ? at + rank : at))
  return axes.size > 0 && [...axes].every((at) => at < axes.size) ? axes.size : undefined
}

/** An attribute of tfjs's kernels: one axis, many, or undefined for all. */
const axesOf = (axis: unknown): ReadonlyArray<number> | undefined =>
  typeof axis === "number" ? [axis] : Array.isArray(axis) ? axis.map(Number) : undefined

/**
 * tfjs's `Sum` of floats over the first axis or axes. Its own transposes for that and gives each sum to one workgroup;
 * for other axes, where the numbers of a sum lie side by side, it stays: it adds them in a fixed order too.
 */
export const columnSumsKernels: ReadonlyArray<Replacement> = [{
  kernelName: "Sum",
  on: (gpu) => (call) => {
    const x = call.inputs["x"]
    const taken = x === undefined ? undefined : leadingAxes(x.shape.length, axesOf(call.attrs?.["axis"]))
    if (x === undefined || x.dtype !== "float32" || taken === undefined) return stockKernel("Sum")(call)
    const [first, last] = [x.shape.slice(0, taken), x.shape.slice(taken)]
    const sums = columnSums(gpu, x, sizeOf(first), sizeOf(last))
    return { ...sums, shape: call.attrs?.["keepDims"] === true ? [...first.map(() => 1), ...last] : last }
  }
}]
