import { type Binding, type Shader, shaderOf, type ShaderText } from "../shader.ts"
import { type Epilogue, epilogue } from "./gemmEpilogue.ts"

/**
 * How the numbers of a matrix are read: floats of 32 bits, or halves, two to a word; `x4` where each run of four along
 * its contiguous axis starts at a multiple of four and is inside the matrix or outside as a whole; `f16x4` is `halfx4` on a
 * device whose shaders know 16-bit floats.
 */
export type Storage = "f32" | "f32x4" | "half" | "halfx4" | "f16x4"

/**
 * The numbers of a product's tile and of its parts: a workgroup of `across` x `down` threads makes a tile of
 * 4 x `tall` x `down` rows and 4 x `wide` x `across` columns. A thread has `tall` x `wide` blocks of 4 x 4, which lie apart
 * so that neighbours read and write neighbouring vectors.
 */
export type TileShape = {
  readonly across: number
  readonly down: number
  readonly tall: 1 | 2
  readonly wide: 1 | 2
}

/** Constants of the shader of a product. `aIsT` and `bIsT`: stored as [K, M], and as [N, K]. */
export type TileParams = TileShape & Epilogue & {
  readonly a: Storage
  readonly b: Storage
  readonly c: "f32" | "f32x4"
  readonly aIsT: boolean
  readonly bIsT: boolean
}

/** Steps of the inner dimension that are in workgroup memory at a time. */
export const K_TILE = 16

/** Rows and columns of a tile. */
export const tileSize = (
  { across, down, tall, wide }: TileShape
): { readonly rows: number; readonly cols: number } => ({
  rows: 4 * tall * down,
  cols: 4 * wide * across
})

/** Bytes of workgroup memory that a tile takes. */
export const tileBytes = (shape: TileShape): number => {
  const { rows, cols } = tileSize(shape)
  return 4 * K_TILE * (rows + cols)
}

const elements: Readonly<Record<Storage, Binding["element"]>> = {
  f32: "f32",
  f32x4: "vec4<f32>",
  half: "u32",
  halfx4: "vec2<u32>",
  f16x4: "vec4<f16>"
}

/** The offset within a stored block of the tile by the step of four in K, so that its parts lie in different banks. */
const swizzle = (vectors: number): number => vectors >= 8 ? 2 : 1

const range = (count: number): ReadonlyArray<number> => [...Array(count).keys()]

const lines = (count: number, line: (i: number) => string): string => range(count).map(line).join("\n")

/** `fn NAME4(from, i, limit)`: four numbers from element `from` on, which is the `i`-th of `limit` along its axis. */
const load4 = (name: string, storage: Storage): string => {
  const half = "let word = NAME[(first + e) >> 1u]; v[e] = unpack2x16float(word)[(first + e) & 1u];"
  const each = (statement: string): string =>
    `var v = vec4<f32>(0.0);
  for (var e = 0u; e < min(4u, limit - i); e++) { ${statement} }
  return v;`
  const body: Readonly<Record<Storage, string>> = {
    f32: each("v[e] = NAME[first + e];"),
    f32x4: "return NAME[first >> 2u];",
    half: each(half),
    halfx4: "let words = NAME[first >> 2u]; return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));",
    f16x4: "return vec4<f32>(NAME[first >> 2u]);"
  }
  return `fn ${name}4(first: u32, i: u32, limit: u32) -> vec4<f32> {
  ${body[storage].replaceAll("NAME", name)}
}`
}

interface Side {
  /** `a` or `b`: its binding, and the prefix of its settings. */
  readonly name: "a" | "b"
  readonly storage: Storage
  /** Whether its contiguous axis is K. */
  readonly isAlongK: boolean
  /** The setting that says how many rows (of op(A)) or columns (of op(B)) there are. */
  readonly limit: "m" | "n"
  /** Vectors of four along that axis in the tile. */
  readonly vectors: number
}

/**
 * `fn NAMEFill(block, base, first, k0, kEnd)`: puts a block of 4 x 4 into the tile, which is [K_TILE][vectors] vectors
 * along the rows of op(A), or the columns of op(B); where K is the contiguous axis, the block is turned over.
 */
const fill = ({ name, storage, isAlongK, limit, vectors }: Side): string => {
  const head = `fn ${name}Fill(block: u32, base: u32, first: u32, k0: u32, kEnd: u32) {`
  const along = `let q = block % ${K_TILE / 4}u;
  let at = block / ${K_TILE / 4}u;
  let i = first + 4u * at;
  let k = k0 + 4u * q;
${lines(4, (j) => `  var v${j} = vec4<f32>(0.0);`)}
  if (k < kEnd) {
${
    lines(4, (j) =>
      `    if (i + ${j}u < settings.${limit}) { v${j} = ${name}4(base + (i + ${j}u) * settings.${name}Row + k, k, kEnd); }`)
  }
  }
  let to = 4u * q * ${vectors}u + (at ^ (${swizzle(vectors)}u * q));
${lines(4, (j) => `  ${name}Tile[to + ${j * vectors}u] = vec4<f32>(v0[${j}], v1[${j}], v2[${j}], v3[${j}]);`)}`
  const across = `let at = block % ${vectors}u;
  let q = block / ${vectors}u;
  let i = first + 4u * at;
  let k = k0 + 4u * q;
${lines(4, (j) => `  var v${j} = vec4<f32>(0.0);`)}
  if (i < settings.${limit}) {
${
    lines(4, (j) =>
      `    if (k + ${j}u < kEnd) { v${j} = ${name}4(base + (k + ${j}u) * settings.${name}Row + i, i, settings.${limit}); }`)
  }
  }
  let to = 4u * q * ${vectors}u + at;
${lines(4, (j) => `  ${name}Tile[to + ${j * vectors}u] = v${j};`)}`
  return [load4(name, storage), `${head}\n  ${isAlongK ? along : across}\n}`].join("\n")
}

/** Statements that fill both tiles with all threads of the workgroup. */
const fillBoth = (threads: number, a: Side, b: Side): string => {
  const [inA, inB] = [a.vectors * K_TILE / 4, b.vectors * K_TILE / 4]
  const call = (name: string, block: string): string => `${name}Fill(${block}, ${name}Base, ${name}First, k0, kEnd);`
  if (inA + inB <= threads) {
    const isAll = inA + inB === threads
    return `if (lane < ${inA}u) { ${call("a", "lane")} }
    else ${isAll ? "" : `if (lane < ${inA + inB}u) `}{ ${call("b", `lane - ${inA}u`)} }`
  }
  const loop = (name: string, blocks: number): string =>
    blocks === threads ?
      call(name, "lane") :
      `for (var block = lane; block < ${blocks}u; block += ${threads}u) { ${call(name, "block")} }`
  return `${loop("a", inA)}\n    ${loop("b", inB)}`
}

/** The products of one step of K: `tall` and `wide` vectors of the tiles, every number with every number. */
const multiply = (j: number, { tall, wide }: TileShape, a: Side, b: Side): string => {
  const read = (side: Side, i: number): string => {
    const base = `(4u * q + ${j}u) * ${side.vectors}u + ${i * side.vectors / 2}u`
    return `let ${side.name}${j}${i} = ${side.name}Tile[${base} + ${side.name}At];`
  }
  return [
    ...range(tall).map((i) => read(a, i)),
    ...range(wide).map((i) => read(b, i)),
    ...range(4 * tall).flatMap((r) => range(wide).map((w) => `c${r}${w} += a${j}${r >> 2}[${r & 3}] * b${j}${w};`))
  ].join("\n")
}

/** `fn put(value, row, column, base)`: the guards of the result, and the epilogue. */
const put = (params: TileParams): string => {
  const { write, declarations } = epilogue(params, params.c)
  return `${declarations}
fn put(value: vec4<f32>, row: u32, column: u32, base: u32) {
  if (row >= settings.m || column >= settings.n) { return; }
  let start = base + row * settings.cRow + column;
  ${
    params.c === "f32x4" ?
      write("value", "(start >> 2u)", "(column >> 2u)") :
      `for (var e = 0u; e < min(4u, settings.n - column); e++) { ${write("value[e]", "(start + e)", "(column + e)")} }`
  }
}`
}

/** Settings of a product: sizes, tiles, and for each operand its first element and its strides, all in elements. */
const uniforms = {
  m: "u32",
  n: "u32",
  k: "u32",
  /** Tiles along rows and columns, and all tiles of all matrices and parts. */
  down: "u32",
  across: "u32",
  count: "u32",
  /** Parts that the inner dimension is cut into, and the steps of each. */
  parts: "u32",
  kPart: "u32",
  /** Matrices that are `inner` strides apart before the next one is an `outer` stride away. */
  inner: "u32",
  aFrom: "u32",
  aRow: "u32",
  aInner: "u32",
  aOuter: "u32",
  bFrom: "u32",
  bRow: "u32",
  bInner: "u32",
  bOuter: "u32",
  cFrom: "u32",
  cRow: "u32",
  cInner: "u32",
  cOuter: "u32",
  /** From one part's result to the next. */
  cPart: "u32",
  alpha: "f32"
} as const

/** Names of a product's settings. */
export type TileUniform = keyof typeof uniforms

/** Rows of tiles that are worked on side by side, so that they find the tiles of B in the cache. */
const BAND = 8

/**
 * C = activation(alpha op(A) op(B) + bias) + residual, a tile a workgroup, 4 x 4 to 8 x 8 numbers a thread. Both
 * operands go through workgroup memory as [K][row] and [K][column], whatever their storage, so one inner loop serves all
 * of them. Sums run over K in order. Bindings: a, b, c and, where asked for, bias [N], residual and pre, both laid out as C.
 */
export const code: (params: TileParams) => Shader<string, TileUniform> = shaderOf(
  "gemm",
  (params: TileParams): ShaderText<string, TileUniform> => {
    const { across, down, tall, wide } = params
    const { rows, cols } = tileSize(params)
    const a: Side = { name: "a", storage: params.a, isAlongK: !params.aIsT, limit: "m", vectors: rows / 4 }
    const b: Side = { name: "b", storage: params.b, isAlongK: params.bIsT, limit: "n", vectors: cols / 4 }
    const at = (side: Side, own: string): string => side.isAlongK ? `${own} ^ (${swizzle(side.vectors)}u * q)` : own
    return {
      bindings: {
        a: { access: "read", element: elements[params.a] },
        b: { access: "read", element: elements[params.b] },
        ...epilogue(params, params.c).bindings
      },
      uniforms,
      workgroup: [across * down, 1],
      enable: [params.a, params.b].includes("f16x4") ? ["f16"] : [],
      declarations: [
        `var<workgroup> aTile: array<vec4<f32>, ${K_TILE * a.vectors}>;`,
        `var<workgroup> bTile: array<vec4<f32>, ${K_TILE * b.vectors}>;`,
        fill(a),
        fill(b),
        put(params)
      ].join("\n"),
      body: `let index = group.y * groups.x + group.x;
if (index >= settings.count) { return; }
let perMatrix = settings.down * settings.across;
let tile = index % perMatrix;
let part = (index / perMatrix) % settings.parts;
let matrix = index / perMatrix / settings.parts;
let band = tile / (${BAND}u * settings.across);
let inBand = tile % (${BAND}u * settings.across);
let height = min(${BAND}u, settings.down - ${BAND}u * band);
let aFirst = ${rows}u * (${BAND}u * band + inBand % height);
let bFirst = ${cols}u * (inBand / height);
let outer = matrix / settings.inner;
let inner = matrix % settings.inner;
let aBase = settings.aFrom + outer * settings.aOuter + inner * settings.aInner;
let bBase = settings.bFrom + outer * settings.bOuter + inner * settings.bInner;
let cBase = settings.cFrom + outer * settings.cOuter + inner * settings.cInner + part * settings.cPart;
let kFirst = part * settings.kPart;
let kEnd = min(settings.k, kFirst + settings.kPart);
let ly = lane / ${across}u;
let lx = lane % ${across}u;
${lines(4 * tall * wide, (i) => `var c${Math.floor(i / wide)}${i % wide} = vec4<f32>(0.0);`)}
for (var k0 = kFirst; k0 < kEnd; k0 += ${K_TILE}u) {
  ${fillBoth(across * down, a, b)}
  workgroupBarrier();
  for (var q = 0u; q < ${K_TILE / 4}u; q++) {
    let aAt = ${at(a, "ly")};
    let bAt = ${at(b, "lx")};
    ${lines(4, (j) => multiply(j, params, a, b))}
  }
  workgroupBarrier();
}
${
        lines(4 * tall * wide, (i) => {
          const [r, w] = [Math.floor(i / wide), i % wide]
          const row = `aFirst + ${(r >> 2) * 4 * down + (r & 3)}u + 4u * ly`
          return `put(c${r}${w}, ${row}, bFirst + ${w * 4 * across}u + 4u * lx, cBase);`
        })
      }`
    }
  }
)
