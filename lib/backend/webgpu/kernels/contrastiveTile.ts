/** Rows and columns of logits that a workgroup makes at once. */
export const EDGE = 64

/** Its threads: 16 x 16, each with 4 x 4 logits in registers, 16 rows and columns apart. */
export const THREADS = 256

const FOUR = [0, 1, 2, 3]

/** Four numbers of a row, zeros outside. Rows whose length is no multiple of four are read number by number. */
const readText = (matrix: string, isVector: boolean): string =>
  isVector ?
    `fn ${matrix}At(line: u32, four: u32) -> vec4<f32> {
  if (line < settings.b && 4u * four < settings.e) { return ${matrix}[line * (settings.e / 4u) + four]; }
  return vec4<f32>(0.0);
}` :
    `fn ${matrix}At(line: u32, four: u32) -> vec4<f32> {
  var x = vec4<f32>(0.0);
  for (var c = 0u; c < 4u; c++) {
    let k = 4u * four + c;
    if (line < settings.b && k < settings.e) { x[c] = ${matrix}[line * settings.e + k]; }
  }
  return x;
}`

/** Where a logit of the tile lies in `pool`: of row r, column c, component c / 16 of a vector. */
const placeText = `
fn placeOf(r: u32, c: u32) -> u32 { return 16u * r + c % 16u; }
/** The columns of the four logits of a vector of a row. */
fn columnsOf(place: u32) -> vec4<u32> { return vec4<u32>(0u, 16u, 32u, 48u) + vec4<u32>(place); }`

/** What a tile needs at module scope: 16 KiB of shared memory, and reads of u and t, [b, e] both. */
export const tileDeclarations = (isVector: boolean): string => `
var<workgroup> pool: array<vec4<f32>, 1024>;
${readText("u", isVector)}
${readText("t", isVector)}
${placeText}`

/**
 * Statements that leave the 64 x 64 products of rows of u from `row0` and rows of t from `column0` in `pool`. Neighbours
 * read neighbouring rows of a block of 16 numbers of each, padded so that they do not meet in one bank.
 */
export const tileText: string = `
let tx = lane % 16u;
let ty = lane / 16u;
let row0 = ${EDGE}u * group.y;
let column0 = settings.first + ${EDGE}u * group.x;
${FOUR.map((i) => FOUR.map((j) => `var c${i}${j} = 0.0;`).join(" ")).join("\n")}
for (var k = 0u; k < settings.e; k += 16u) {
  workgroupBarrier();
  let line = lane / 4u;
  let part = lane % 4u;
  pool[65u * part + line] = uAt(row0 + line, k / 4u + part);
  pool[260u + 65u * part + line] = tAt(column0 + line, k / 4u + part);
  workgroupBarrier();
  for (var four = 0u; four < 4u; four++) {
    let us = 65u * four + ty;
    let ts = 260u + 65u * four + tx;
    ${FOUR.map((i) => `let a${i} = pool[us + ${16 * i}u]; let b${i} = pool[ts + ${16 * i}u];`).join("\n    ")}
    ${FOUR.map((i) => FOUR.map((j) => `c${i}${j} += dot(a${i}, b${j});`).join(" ")).join("\n    ")}
  }
}
workgroupBarrier();
${
  FOUR.map((i) => `pool[16u * (ty + ${16 * i}u) + tx] = vec4<f32>(${FOUR.map((j) => `c${i}${j}`).join(", ")});`).join(
    "\n"
  )
}
workgroupBarrier();`
