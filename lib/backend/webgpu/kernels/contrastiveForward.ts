import type { TensorInfo } from "@tensorflow/tfjs-core"
import type { Gpu } from "../gpu.ts"
import type { Groups, Limits } from "../limits.ts"
import { type Shader, shaderOf } from "../shader.ts"
import { EDGE, THREADS, tileDeclarations, tileText } from "./contrastiveTile.ts"

/** The largest number of each side and the sums of exponentials below it, of a tile; of its rows also where it stands. */
export const statisticsCode: (
  params: { readonly isVector: boolean }
) => Shader<"u" | "t" | "scale" | "ofRows" | "ofColumns", "b" | "e" | "first" | "columns"> = shaderOf(
  "contrastiveStatistics",
  ({ isVector }) => ({
    bindings: {
      u: { access: "read", element: isVector ? "vec4<f32>" : "f32" },
      t: { access: "read", element: isVector ? "vec4<f32>" : "f32" },
      scale: { access: "read", element: "f32" },
      ofRows: { access: "write", element: "vec4<f32>" },
      ofColumns: { access: "write", element: "f32" }
    },
    uniforms: { b: "u32", e: "u32", first: "u32", columns: "u32" },
    workgroup: [THREADS, 1],
    declarations: `${tileDeclarations(isVector)}
fn logitsOf(cosines: vec4<f32>, places: vec4<u32>, end: u32) -> vec4<f32> {
  return select(vec4<f32>(-1e30), cosines * scale[0], places < vec4<u32>(end));
}`,
    // A thread takes a row or a column. Rows are read from different columns on, so that threads do not meet in a bank.
    body: `${tileText}
let row = row0 + lane;
if (lane < ${EDGE}u && row < settings.b) {
  var most = vec4<f32>(-1e30);
  for (var i = 0u; i < 16u; i++) {
    let place = (i + lane) % 16u;
    most = max(most, logitsOf(pool[16u * lane + place], column0 + columnsOf(place), settings.b));
  }
  let top = max(max(most.x, most.y), max(most.z, most.w));
  var sums = vec4<f32>(0.0);
  var places = vec4<u32>(0x7fffffffu);
  for (var i = 0u; i < 16u; i++) {
    let place = (i + lane) % 16u;
    let own = column0 + columnsOf(place);
    let x = logitsOf(pool[16u * lane + place], own, settings.b);
    sums += exp(x - top);
    places = select(places, min(places, own), x == vec4<f32>(top));
  }
  let place = min(min(places.x, places.y), min(places.z, places.w));
  let diagonal = pool[placeOf(lane, lane)][lane / 16u] * scale[0];
  ofRows[group.x * settings.b + row] =
    vec4<f32>(top, (sums.x + sums.y) + (sums.z + sums.w), f32(place), select(0.0, diagonal, row0 == column0));
}
let inTile = lane - ${EDGE}u;
let column = column0 + inTile;
if (inTile < ${EDGE}u && column < settings.b) {
  let part = inTile / 16u;
  let end = min(${EDGE}u, settings.b - row0);
  var top = -1e30;
  for (var r = 0u; r < end; r++) { top = max(top, pool[placeOf(r, inTile)][part] * scale[0]); }
  var sum = 0.0;
  for (var r = 0u; r < end; r++) { sum += exp(pool[placeOf(r, inTile)][part] * scale[0] - top); }
  let at = 2u * (group.y * settings.columns + column - settings.first);
  ofColumns[at] = top;
  ofColumns[at + 1u] = sum;
}`
  })
)

const mergeText = `
fn merged(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  let top = max(a.x, b.x);
  var place = a.z;
  if (b.x > a.x || (b.x == a.x && b.z < a.z)) { place = b.z; }
  return vec4<f32>(top, a.y * exp(a.x - top) + b.y * exp(b.x - top), place, a.w + b.w);
}`

/** The tiles' statistics of a range of columns -> those of the columns, and of the rows up to here. */
export const mergeCode: (
  params: Record<never, never>
) => Shader<"ofRows" | "ofColumns" | "rows" | "columns", "b" | "first" | "size" | "across" | "down"> = shaderOf(
  "contrastiveMerge",
  () => ({
    bindings: {
      ofRows: { access: "read", element: "vec4<f32>" },
      ofColumns: { access: "read", element: "f32" },
      rows: { access: "update", element: "vec4<f32>" },
      columns: { access: "update", element: "f32" }
    },
    uniforms: { b: "u32", first: "u32", size: "u32", across: "u32", down: "u32" },
    workgroup: [THREADS, 1],
    declarations: mergeText,
    body: `
let i = ${THREADS}u * group.x + lane;
if (i < settings.b) {
  var x = ofRows[i];
  for (var tile = 1u; tile < settings.across; tile++) { x = merged(x, ofRows[tile * settings.b + i]); }
  if (settings.first > 0u) { x = merged(rows[i], x); }
  rows[i] = x;
}
if (i < settings.size) {
  var x = vec4<f32>(ofColumns[2u * i], ofColumns[2u * i + 1u], 0.0, 0.0);
  for (var tile = 1u; tile < settings.down; tile++) {
    let at = 2u * (tile * settings.size + i);
    x = merged(x, vec4<f32>(ofColumns[at], ofColumns[at + 1u], 0.0, 0.0));
  }
  columns[2u * (settings.first + i)] = x.x;
  columns[2u * (settings.first + i) + 1u] = x.y;
}`
  })
)

type Results = "rowMax" | "rowSum" | "columnMax" | "columnSum" | "loss" | "correct"

/** The statistics of all rows and columns as outputs, and their loss: one workgroup, so that the order is fixed. */
export const lossCode: (
  params: { readonly width: number }
) => Shader<"rows" | "columns" | Results, "b" | "rate"> = shaderOf("contrastiveLoss", ({ width }) => ({
  bindings: {
    rows: { access: "read", element: "vec4<f32>" },
    columns: { access: "read", element: "f32" },
    rowMax: { access: "write", element: "f32" },
    rowSum: { access: "write", element: "f32" },
    columnMax: { access: "write", element: "f32" },
    columnSum: { access: "write", element: "f32" },
    loss: { access: "write", element: "f32" },
    correct: { access: "write", element: "f32" }
  },
  uniforms: { b: "u32", rate: "f32" },
  workgroup: [width, 1],
  declarations: `var<workgroup> sums: array<vec2<f32>, ${width}>;`,
  body: `
var sum = vec2<f32>(0.0);
for (var i = lane; i < settings.b; i += ${width}u) {
  let row = rows[i];
  let column = vec2<f32>(columns[2u * i], columns[2u * i + 1u]);
  rowMax[i] = row.x;
  rowSum[i] = row.y;
  columnMax[i] = column.x;
  columnSum[i] = column.y;
  let loss = (log(row.y) - (row.w - row.x)) + (log(column.y) - (row.w - column.x));
  sum += vec2<f32>(loss, select(0.0, 1.0, u32(row.z) == i));
}
sums[lane] = sum;
for (var half = ${width / 2}u; half > 0u; half /= 2u) {
  workgroupBarrier();
  if (lane < half) { sums[lane] += sums[lane + half]; }
}
if (lane == 0u) {
  loss[0] = sums[0].x * settings.rate;
  correct[0] = sums[0].y;
}`
}))

/** Bytes that the tiles' statistics of rows may have at once. */
const MOST_BYTES = 2 ** 25

/** A range of columns whose logits live at once, and the workgroups for its tiles. */
export interface Columns {
  readonly first: number
  readonly size: number
  readonly groups: Groups
}

/** All b columns in ranges of `size`, a multiple of `EDGE`. */
export const columnsOf = (b: number, size: number): ReadonlyArray<Columns> =>
  Array.from({ length: Math.ceil(b / size) }, (_, i) => {
    const columns = Math.min(size, b - i * size)
    return { first: i * size, size: columns, groups: [Math.ceil(columns / EDGE), Math.ceil(b / EDGE), 1] }
  })

/** The ranges of columns, so that no array has more than `most` bytes unless one tile's width needs them. */
export const forwardPlan = (b: number, limits: Limits, most: number = MOST_BYTES): ReadonlyArray<Columns> => {
  const bytes = Math.min(most, limits.maxStorageBufferBindingSize, limits.maxBufferSize)
  return columnsOf(b, EDGE * Math.max(1, Math.floor(bytes / (16 * b))))
}

/** u, t [b, e] and scale [] -> the loss, the right matches and the statistics of both sides. */
export const forward = (
  gpu: Gpu,
  { u, t, scale }: Readonly<Record<"u" | "t" | "scale", TensorInfo>>,
  ranges: ReadonlyArray<Columns>
): Readonly<Record<Results, TensorInfo>> => {
  const [b = 0, e = 0] = u.shape
  const widest = ranges[0]?.groups ?? [0, 0, 0]
  const ofRows = gpu.output([widest[0], b, 4])
  const ofColumns = gpu.output([widest[1], ranges[0]?.size ?? 0, 2])
  const rows = gpu.output([b, 4])
  const columns = gpu.output([b, 2])
  for (const { first, size, groups } of ranges) {
    const matrices = { u, t, scale, ofRows, ofColumns }
    gpu.run(statisticsCode({ isVector: e % 4 === 0 }), matrices, { b, e, first, columns: size }, groups)
    const tiles = { b, first, size, across: groups[0], down: groups[1] }
    gpu.run(mergeCode({}), { ofRows, ofColumns, rows, columns }, tiles, [Math.ceil(b / THREADS), 1, 1])
  }
  const results = {
    loss: gpu.output([]),
    correct: gpu.output([]),
    rowMax: gpu.output([b]),
    rowSum: gpu.output([b]),
    columnMax: gpu.output([b]),
    columnSum: gpu.output([b])
  }
  gpu.run(lossCode({ width: 256 }), { rows, columns, ...results }, { b, rate: 0.5 / b }, [1, 1, 1])
  for (const tensor of [ofRows, ofColumns, rows, columns]) gpu.free(tensor)
  return results
}
