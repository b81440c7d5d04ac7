import type { TensorInfo } from "@tensorflow/tfjs-core"
import { gatherRowsBackward, gatherRowsForward } from "../../../ops/gatherRows.ts"
import { sizeOf } from "../../../tensor/index.ts"
import type { Gpu } from "../gpu.ts"
import { foldGroups, type Groups, type Limits } from "../limits.ts"
import { type Binding, type Shader, shaderOf } from "../shader.ts"
import { fused, type Replacement } from "../tfjs.ts"
import { orderCode } from "./rowOrder.ts"
import { zeros } from "./zeros.ts"

/**
 * `width` is the threads of a workgroup, `components` the numbers of a row that a thread takes, 1 or 4; `ids` the type of
 * the indices, of which floats are cut off to whole numbers.
 */
export type RowsParams = { readonly width: number; readonly components: number; readonly ids: "i32" | "f32" }

const elementOf = (components: number): Binding["element"] => components === 4 ? "vec4<f32>" : "f32"

/** Of a folded row of threads, the place `i` of this one; it leaves where there is nothing for it. */
const placeOf = (width: number): string => `
let i = (group.y * groups.x + group.x) * ${width}u + lane;
if (i >= settings.count) { return; }
let row = i / settings.columns;
let column = i - row * settings.columns;`

/** An index that names no row gives a row of `outside`. Indices below 0 are large ones without their sign. */
export const code: (
  params: RowsParams
) => Shader<"table" | "indices" | "y", "count" | "columns" | "rows" | "outside"> = shaderOf(
  "gatherRows",
  ({ width, components, ids }) => ({
    bindings: {
      table: { access: "read", element: elementOf(components) },
      indices: { access: "read", element: ids },
      y: { access: "write", element: elementOf(components) }
    },
    uniforms: { count: "u32", columns: "u32", rows: "u32", outside: "f32" },
    workgroup: [width, 1],
    body: `${placeOf(width)}
let id = u32(i32(indices[row]));
if (id < settings.rows) { y[i] = table[id * settings.columns + column]; }
else { y[i] = ${elementOf(components)}(settings.outside); }`
  })
)

/** For few indices: every row of the table looks through all of them. */
export const scanCode: (
  params: RowsParams
) => Shader<"dy" | "indices" | "dTable", "count" | "columns" | "n"> = shaderOf(
  "gatherRowsGradScan",
  ({ width, components, ids }) => ({
    bindings: {
      dy: { access: "read", element: elementOf(components) },
      indices: { access: "read", element: ids },
      dTable: { access: "write", element: elementOf(components) }
    },
    uniforms: { count: "u32", columns: "u32", n: "u32" },
    workgroup: [width, 1],
    body: `${placeOf(width)}
var sum = ${elementOf(components)}(0.0);
for (var at = 0u; at < settings.n; at++) {
  if (u32(i32(indices[at])) == row) { sum += dy[at * settings.columns + column]; }
}
dTable[i] = sum;`
  })
)

/** For many: every row of the table finds its first index among the sorted ones by bisection. */
export const sumCode: (
  params: Omit<RowsParams, "ids">
) => Shader<"dy" | "sorted" | "order" | "dTable", "count" | "columns" | "n"> = shaderOf(
  "gatherRowsGradSum",
  ({ width, components }) => ({
    bindings: {
      dy: { access: "read", element: elementOf(components) },
      sorted: { access: "read", element: "i32" },
      order: { access: "read", element: "u32" },
      dTable: { access: "write", element: elementOf(components) }
    },
    uniforms: { count: "u32", columns: "u32", n: "u32" },
    workgroup: [width, 1],
    body: `${placeOf(width)}
let id = i32(row);
var at = 0u;
var end = settings.n;
while (at < end) {
  let middle = (at + end) / 2u;
  if (sorted[middle] < id) { at = middle + 1u; } else { end = middle; }
}
var sum = ${elementOf(components)}(0.0);
while (at < settings.n) {
  if (sorted[at] != id) { break; }
  sum += dy[order[at] * settings.columns + column];
  at++;
}
dTable[i] = sum;`
  })
)

/** How rows of D numbers are spread over threads. */
export interface RowsPlan {
  readonly width: number
  readonly components: number
  /** Threads that have something to do, and those of one row. */
  readonly count: number
  readonly columns: number
  readonly groups: Groups
  /** Whether the gradient's sums look through all indices instead of sorting them. */
  readonly isScan: boolean
  /** Workgroups that sort the indices. */
  readonly orderGroups: Groups
}

/** Up to so many indices are looked through by every row. */
const MOST_SCANNED = 256

/** Threads for [rows, d] numbers, by or into which `n` indices gather or sum. */
export const plan = (
  { rows, d, n }: { readonly rows: number; readonly d: number; readonly n: number },
  limits: Limits
): RowsPlan => {
  const width = Math.min(256, limits.maxComputeInvocationsPerWorkgroup, limits.maxComputeWorkgroupSizeX)
  const components = d % 4 === 0 ? 4 : 1
  const columns = d / components
  const count = rows * columns
  return {
    width,
    components,
    count,
    columns,
    groups: foldGroups(Math.ceil(count / width), limits),
    isScan: n <= MOST_SCANNED,
    orderGroups: foldGroups(Math.ceil(n / width), limits)
  }
}

const typeOf = ({ dtype }: TensorInfo): "i32" | "f32" => dtype === "int32" ? "i32" : "f32"

const gather = (gpu: Gpu, table: TensorInfo, indices: TensorInfo): TensorInfo => {
  const [rows = 0, d = 0] = table.shape
  const n = sizeOf(indices.shape)
  const { width, components, count, columns, groups } = plan({ rows: n, d, n }, gpu.limits)
  const y = gpu.output([...indices.shape, d])
  const settings = { count, columns, rows, outside: Number.NaN }
  gpu.run(code({ width, components, ids: typeOf(indices) }), { table, indices, y }, settings, groups)
  return y
}

/**
 * Sums by row in the order of dy, without the indices on the host and without sums of unknown order: one dispatch, or
 * two for many indices, which are sorted then, n^2 comparisons.
 */
const sumByRow = (gpu: Gpu, dy: TensorInfo, indices: TensorInfo, rows: number): TensorInfo => {
  const [n = 0, d = 0] = dy.shape
  if (n === 0) return zeros(gpu, [rows, d])
  const { width, components, count, columns, groups, isScan, orderGroups } = plan({ rows, d, n }, gpu.limits)
  const dTable = gpu.output([rows, d])
  const [ids, settings] = [typeOf(indices), { count, columns, n }]
  if (isScan) gpu.run(scanCode({ width, components, ids }), { dy, indices, dTable }, settings, groups)
  else {
    const sorted = gpu.output([n], "int32")
    const order = gpu.output([n], "int32")
    gpu.run(orderCode({ width, ids }), { indices, sorted, order }, { n }, orderGroups)
    gpu.run(sumCode({ width, components }), { dy, sorted, order, dTable }, settings, groups)
    gpu.free(sorted)
    gpu.free(order)
  }
  return dTable
}

/**
 * Rows of a table by index, and the sums of gradients by row. An index outside of the table, which the host cannot see,
 * gives a row of NaN, so that the loss says it; its gradient goes nowhere.
 */
export const gatherRowsKernels: ReadonlyArray<Replacement> = [
  fused(gatherRowsForward, (gpu, { table, indices }) => ({ y: gather(gpu, table, indices) })),
  fused(gatherRowsBackward, (gpu, { dy, indices }, { rows }) => ({ dTable: sumByRow(gpu, dy, indices, rows) }))
]
