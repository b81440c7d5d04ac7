/** Pieces of WGSL that the attention shaders share. */
import type { Binding } from "../shader.ts"
import { rowOf, threadsOf, type Tiles } from "./attentionTiles.ts"

/** Declarations and statements of a shader. */
export interface Text {
  readonly declarations: string
  readonly body: string
}

/** Lines for 0, 1, ..., count - 1. */
export const times = (count: number, line: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => line(i)).join("\n")

/** Lines for each row of a thread, 0, 1, ... */
export const eachRow = ({ each }: Tiles, line: (k: number) => string): string => times(each, line)

/** Lines for each row `k` of a thread with each streamed row `i` of which it makes the score. */
export const eachScore = ({ each, columns, lanes }: Tiles, line: (k: number, i: number) => string): string =>
  times(each, (k) => times(columns / lanes, (i) => line(k, i)))

/** Lines for each map `m` and vec4 `i` of it of which a thread has the sums. */
export const eachColumn = (tiles: Tiles, line: (m: number, i: number) => string): string =>
  times(tiles.maps, (m) => times(Math.ceil(rowOf(tiles).perMap / tiles.lanes), (i) => line(m, i)))

/** The part of a score, or of another number for each map, that belongs to map `m`. */
export const partOf = ({ maps }: Tiles, name: string, m: number): string => maps === 1 ? name : `${name}.${"xy"[m]}`

/** How the shaders see q, k, v, their gradients and the result. */
export const elementOf = (tiles: Tiles): Binding["element"] => rowOf(tiles).isWhole ? "vec4<f32>" : "f32"

/** Lower than any score, and finite: a GPU may compute as if there were no infinity. */
export const LOWEST = "Score(-3e38)"

/**
 * `Score`: a number for each map, and `expOf` of it. Of a NaN that is NaN, by its bits: `exp` gives what it likes of
 * it, infinity on one adapter, and a compiler may take it that no number differs from itself.
 */
export const scoreType = ({ maps }: Tiles): string => {
  const [score, bits] = maps === 1 ? ["f32", "u32"] : ["vec2<f32>", "vec2<u32>"]
  return `alias Score = ${score};
fn expOf(x: Score) -> Score {
  return select(exp(x), x, (bitcast<${bits}>(x) & ${bits}(0x7fffffffu)) > ${bits}(0x7f800000u));
}`
}

/** Where the workgroup stands: its own rows from `first` on, of one head of one image; the place of this thread in them. */
export const prologue = (tiles: Tiles): string => {
  const { rows, lanes, each, maps, headDim } = tiles
  return `let place = group.y * groups.x + group.x;
if (place >= settings.count) { return; }
let blocks = (settings.tokens + ${rows - 1}u) / ${rows}u;
let first = (place % blocks) * ${rows}u;
let head = (place / blocks) % settings.heads;
let image = place / blocks / settings.heads;
let slice = image * settings.tokens * settings.width + head * ${maps * headDim / (rowOf(tiles).isWhole ? 4 : 1)}u;
let mapRows = (image * settings.heads + head) * ${maps}u * settings.tokens;
let g = lane % ${lanes}u;
${eachRow(tiles, (k) => `let row${k} = lane / ${lanes}u + ${k * rows / each}u;`)}
${
    times(Math.ceil(rowOf(tiles).perMap / lanes), (i) => {
      const at = `g + ${i * lanes}u`
      return `let d${i} = min(${at}, ${rowOf(tiles).perMap - 1}u);` // who has no such vec4 repeats the last, unseen
    })
  }`
}

/** Where rows are copied to: `count` of them from `start` on, `stride` vec4 apart. */
interface Copy {
  readonly start: string
  readonly count: number
  readonly stride: number
}

/**
 * Copies rows into workgroup memory, zeros behind the last token. q is scaled there, as in the composition: scores are
 * then plain dot products, the same to the bit forward and backward, whatever a compiler fuses.
 */
const load = (tiles: Tiles, from: string, to: string, { start, count, stride }: Copy): string => {
  const { length, perMap, isWhole } = rowOf(tiles)
  const { headDim } = tiles
  const scalar = `let d = 4u * (c % ${perMap}u);
    let at = slice + row * settings.width + c / ${perMap}u * ${headDim}u + d;
    x.x = ${from}[at];
    ${times(3, (i) => `if (d + ${i + 1}u < ${headDim}u) { x.${"yzw"[i]} = ${from}[at + ${i + 1}u]; }`)}`
  return `for (var e = lane; e < ${count * length}u; e += ${threadsOf(tiles)}u) {
  let r = e / ${length}u;
  let c = e % ${length}u;
  let row = ${start} + r;
  var x = vec4<f32>(0.0);
  if (row < settings.tokens) {
    ${isWhole ? `x = ${from}[slice + row * settings.width + c];` : scalar}
  }
  ${to}[r * ${stride}u + c] = x${from === "q" ? " * settings.scale" : ""};
}`
}

/** Own rows of a tensor. */
export const loadOwn = (tiles: Tiles, from: string, to: string): string =>
  load(tiles, from, to, { start: "first", count: tiles.rows, stride: rowOf(tiles).length })

/** The streamed rows from `start` on, once all threads are done with the rows before them. */
export const loadTile = (tiles: Tiles, from: string, start: string): string =>
  `workgroupBarrier();
${load(tiles, from, "tile", { start, count: tiles.columns, stride: rowOf(tiles).stride })}`

/** Writes vec4 `i` of map `m` of own row `k`, which the caller knows to exist. */
export const store = (tiles: Tiles, to: string, k: number, m: number, i: number, value: string): string => {
  const { perMap, isWhole } = rowOf(tiles)
  const { headDim, lanes } = tiles
  const d = `(g + ${i * lanes}u)`
  const row = `slice + (first + row${k}) * settings.width`
  if (isWhole) return `if (${d} < ${perMap}u) { ${to}[${row} + ${m * perMap}u + ${d}] = ${value}; }`
  return `{
  let x = ${value};
  let at = ${row} + ${m * headDim}u + 4u * ${d};
  ${times(4, (n) => `if (4u * ${d} + ${n}u < ${headDim}u) { ${to}[at + ${n}u] = x.${"xyzw"[n]}; }`)}
}`
}

/** The streamed row of score `i`, from the tile's first. */
export const streamed = ({ lanes }: Tiles, i: number): string => `g + ${i * lanes}u`

/** `name`k_i: the products of own rows with the streamed ones, for each map. */
export const products = (tiles: Tiles, own: string, name: string): string => {
  const { perMap, length, stride } = rowOf(tiles)
  const { each, columns, lanes } = tiles
  return `${eachScore(tiles, (k, i) => `var ${name}${k}_${i} = Score(0.0);`)}
for (var d = 0u; d < ${perMap}u; d++) {
${
    times(tiles.maps, (m) =>
      `{
${times(each, (k) => `let x${k} = ${own}[row${k} * ${length}u + ${m * perMap}u + d];`)}
${times(columns / lanes, (i) => `let y${i} = tile[(${streamed(tiles, i)}) * ${stride}u + ${m * perMap}u + d];`)}
${eachScore(tiles, (k, i) => `${partOf(tiles, `${name}${k}_${i}`, m)} += dot(x${k}, y${i});`)}
}`)
  }
}`
}

/** The sum of a number over the maps. */
export const overMaps = ({ maps }: Tiles, name: string): string => maps === 1 ? name : `(${name}.x + ${name}.y)`

/** A vec4 of a streamed row `c` that this thread sums. */
export const tileAt = (tiles: Tiles, m: number, i: number): string => {
  const { perMap, stride } = rowOf(tiles)
  return `tile[c * ${stride}u + ${m * perMap}u + d${i}]`
}
