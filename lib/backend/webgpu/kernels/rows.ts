/** What kernels on the rows of a matrix share: several threads a row, several rows a workgroup. */
import { foldGroups, type Groups, type Limits } from "../limits.ts"

const THREADS = 128

/** Threads a row, and for how many units of it (of one or four numbers) they are enough. */
const WIDTHS = [{ threads: 8, most: 32 }, { threads: 32, most: 256 }] as const

/** `threads` have a row together; `isVec4`: each reads four numbers at once. */
export type RowsParams = { readonly threads: number; readonly isVec4: boolean }

/** The settings of a kernel on rows: how many there are, of how many units. */
export const rowsSettings = { rows: "u32", units: "u32" } as const

/** How a matrix is shared out. */
export interface RowsPlan {
  readonly params: RowsParams
  readonly groups: Groups
  readonly uniforms: Readonly<Record<keyof typeof rowsSettings, number>>
}

/** Rows a workgroup has. */
export const rowsOf = ({ threads }: RowsParams): number => THREADS / threads

/** Narrow rows take few threads, so that none is idle; wide ones a workgroup each. */
export const planRows = (
  { rows, cols }: { readonly rows: number; readonly cols: number },
  limits: Limits
): RowsPlan => {
  const isVec4 = cols % 4 === 0
  const units = isVec4 ? cols / 4 : cols
  const params = { threads: WIDTHS.find(({ most }) => units <= most)?.threads ?? THREADS, isVec4 }
  return { params, groups: foldGroups(Math.ceil(rows / rowsOf(params)), limits), uniforms: { rows, units } }
}

/** Threads of a workgroup, for `workgroup`. */
export const rowsWorkgroup: readonly [number, number] = [THREADS, 1]

/** More threads a row than this join their values in two steps. */
const FLAT = 32
const STEP = 16

/** `fn name(lane: u32, value: type) -> type`, see `rowSum`; `join` of two values in WGSL. */
const rowReduction = (
  { threads }: RowsParams,
  name: string,
  type: "f32" | "vec2<f32>",
  join: (a: string, b: string) => string
): string => {
  const joinAll = (from: string, until: number, step: number): string =>
    `for (var i = ${from}; i < ${until}u; i += ${step}u) { all = ${join("all", `${name}Parts[first + i]`)}; }`
  return `var<workgroup> ${name}Parts: array<${type}, ${THREADS}>;
fn ${name}(lane: u32, value: ${type}) -> ${type} {
  let part = lane % ${threads}u;
  let first = lane - part;
  var all = value;
  workgroupBarrier(); // what was here before has been read
  ${name}Parts[lane] = value;
  workgroupBarrier();
  ${
    threads <= FLAT ? "" : `if (part < ${STEP}u) {
    ${joinAll(`part + ${STEP}u`, threads, STEP)}
    ${name}Parts[lane] = all;
  }
  workgroupBarrier();`
  }
  all = ${name}Parts[first];
  ${joinAll("1u", threads <= FLAT ? threads : STEP, 1)}
  return all;
}`
}

/**
 * `fn rowSum(lane: u32, value) -> value` for f32 or vec2<f32>: the sum over the threads of a row, in a fixed order, which
 * all of them are given. To be called by all threads of a workgroup. Each thread adds up what the others wrote: on a
 * card reads of shared memory cost less than a barrier for each halving, and on the CPU much less.
 */
export const rowSum = (params: RowsParams, type: "f32" | "vec2<f32>"): string =>
  rowReduction(params, "rowSum", type, (a, b) => `${a} + ${b}`)

/** `fn rowMax(lane: u32, value: f32) -> f32`, after the fashion of `rowSum`, on memory of its own. */
export const rowMax = (params: RowsParams): string => rowReduction(params, "rowMax", "f32", (a, b) => `max(${a}, ${b})`)

/**
 * The first statements of a kernel: `row`, `part` (which thread of it this is), `first` (where it begins) and `end`, its
 * units, 0 where there is no such row.
 */
export const rowStart = ({ threads }: RowsParams): string =>
  `let part = lane % ${threads}u;
let row = (group.y * groups.x + group.x) * ${THREADS / threads}u + lane / ${threads}u;
let isRow = row < settings.rows;
let end = select(0u, settings.units, isRow);
let first = row * settings.units;`

/** Statements for each unit `i` of a thread's part of its row; it stands at `at`. */
export const eachUnit = ({ threads }: RowsParams, statements: string): string =>
  `for (var i = part; i < end; i += ${threads}u) { let at = first + i; ${statements} }`

/** The type of a unit. */
export const unitType = (isVec4: boolean): "vec4<f32>" | "f32" => isVec4 ? "vec4<f32>" : "f32"

/** The sum of a unit's numbers. */
export const unitSum = (isVec4: boolean, value: string): string => isVec4 ? `dot(${value}, vec4<f32>(1.0))` : value

/** The sum of the products of two units' numbers. */
export const unitDot = (isVec4: boolean, a: string, b: string): string => isVec4 ? `dot(${a}, ${b})` : `(${a} * ${b})`

/** The numbers of a row, f32. */
export const columnsOf = (isVec4: boolean): string => isVec4 ? "f32(4u * settings.units)" : "f32(settings.units)"
