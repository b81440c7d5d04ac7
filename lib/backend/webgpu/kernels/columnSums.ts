import type { TensorInfo } from "@tensorflow/tfjs-core"
import type { Gpu } from "../gpu.ts"
import { foldGroups, type Groups, type Limits } from "../limits.ts"
import { type Shader, shaderOf } from "../shader.ts"
import { type Replacement, stockKernel } from "../tfjs.ts"
import { zeros } from "./zeros.ts"

const THREADS = 256
/** Threads of a workgroup that stand side by side, each with a column or four; the others share its rows. */
const LANES = [1, 8, 32] as const
/** So few rows are added up at once; of more, each workgroup takes as many at least. */
const FEW_ROWS = 64
/** Workgroups that fill a large card; more would only make more partial sums. */
const MANY_GROUPS = 1024

type ColumnSumsSetting = "rows" | "units" | "chunk" | "across" | "count"

/** `lanes`: threads side by side; `isVec4`: whether each has four columns. */
export type ColumnSumsParams = { readonly lanes: number; readonly isVec4: boolean }

/**
 * Sums of `chunk` rows of x [rows, units] -> y [ceil(rows / chunk), units], a unit being one or four columns. A thread
 * adds every (THREADS / lanes)-th row of a chunk, the workgroup then its threads' sums pairwise: a fixed order.
 */
export const code: (params: ColumnSumsParams) => Shader<"x" | "y", ColumnSumsSetting> = shaderOf(
  "columnSums",
  ({ lanes, isVec4 }) => {
    const type = isVec4 ? "vec4<f32>" : "f32"
    return {
      bindings: { x: { access: "read", element: type }, y: { access: "write", element: type } },
      uniforms: { rows: "u32", units: "u32", chunk: "u32", across: "u32", count: "u32" },
      workgroup: [THREADS, 1],
      declarations: `var<workgroup> sums: array<${type}, ${THREADS}>;`,
      body: `let at = group.y * groups.x + group.x;
if (at >= settings.count) { return; }
let block = at / settings.across;
let column = (at % settings.across) * ${lanes}u + lane % ${lanes}u;
var sum = ${type}(0.0);
if (column < settings.units) {
  let end = min(settings.rows, (block + 1u) * settings.chunk);
  for (var row = block * settings.chunk + lane / ${lanes}u; row < end; row += ${THREADS / lanes}u) {
    sum += x[row * settings.units + column];
  }
}
sums[lane] = sum;
for (var half = ${THREADS / 2}u; half >= ${lanes}u; half /= 2u) {
  workgroupBarrier();
  if (lane < half) { sums[lane] += sums[lane + half]; }
}
if (lane < ${lanes}u && column < settings.units) { y[block * settings.units + column] = sums[lane]; }`
    }
  }
)

/** One pass over the rows: `blocks` sums of `chunk` rows each. */
export interface ColumnSumsStage {
  readonly blocks: number
  readonly groups: Groups
  readonly uniforms: Readonly<Record<ColumnSumsSetting, number>>
}

/** How the columns of [rows, cols] are added up; `stages` are one or two, the last of which has one block. */
export const plan = (
  { rows, cols }: { readonly rows: number; readonly cols: number },
  limits: Limits
): {
  readonly params: ColumnSumsParams
  readonly stages: ReadonlyArray<ColumnSumsStage>
} => {
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
  return { params: { lanes, isVec4 }, stages: first.blocks === 1 ? [first] : [first, stage(first.blocks, 1)] }
}

/**
 * The sum of each column of x, seen as [rows, cols] -> a new tensor [cols]. One dispatch, or two for more than a few
 * rows; the order of the sums depends on the sizes alone.
 */
export const columnSums = (gpu: Gpu, x: TensorInfo, rows: number, cols: number): TensorInfo => {
  if (rows === 0) return zeros(gpu, [cols])
  const { params, stages } = plan({ rows, cols }, gpu.limits)
  const shader = code(params)
  return stages.reduce((from, { blocks, groups, uniforms }) => {
    const y = gpu.output(blocks === 1 ? [cols] : [blocks, cols])
    gpu.run(shader, { x: from, y }, uniforms, groups)
    if (from !== x) gpu.free(from)
    return y
  }, x)
}

/** How many leading axes a reduction is over, up to all of them; undefined where it is over others, or none. */
export const leadingAxes = (rank: number, axis: ReadonlyArray<number> | undefined): number | undefined => {
  const axes = new Set((axis ?? [...Array(rank).keys()]).map((at) => at < 0 ? at + rank : at))
  return axes.size > 0 && [...axes].every((at) => at < axes.size) ? axes.size : undefined
}

/** An attribute of tfjs's kernels: one axis, many, or undefined for all. */
const axesOf = (axis: unknown): ReadonlyArray<number> | undefined =>
  typeof axis === "number" ? [axis] : Array.isArray(axis) ? axis.map(Number) : undefined

const sizeOf = (shape: ReadonlyArray<number>): number => shape.reduce((product, dim) => product * dim, 1)

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
