import type { Groups, Limits } from "../limits.ts"
import { foldGroups } from "../limits.ts"
import { type Shader, shaderOf, type ShaderText } from "../shader.ts"
import { type Epilogue, epilogue } from "./gemmEpilogue.ts"

/** What an adapter multiplies in one step: M x K halves by K x N halves into `resultComponentType`. */
export interface MatrixConfig {
  readonly componentType: string
  readonly resultComponentType: string
  readonly M: number
  readonly N: number
  readonly K: number
}

/** The side of the pieces that the shader is written for. */
const PIECE = 16
/** Rows and columns of a workgroup's tile, and steps of K that are in workgroup memory at a time. */
const TILE = 64
const K_TILE = 16

/** Whether an adapter multiplies pieces of 16 x 16 halves with sums in 32 bits. */
export const hasFittingConfig = (configs: ReadonlyArray<MatrixConfig>): boolean =>
  configs.some(({ componentType, resultComponentType, M, N, K }) =>
    componentType === "f16" && resultComponentType === "f32" && M === PIECE && N === PIECE && K === PIECE
  )

/** Constants. Both operands are packed halves whose contiguous axis is a multiple of four. `subgroup`: its threads. */
export type SubgroupParams = Epilogue & {
  readonly aIsT: boolean
  readonly bIsT: boolean
  readonly subgroup: number
}

const uniforms = { m: "u32", n: "u32", k: "u32", down: "u32", count: "u32", alpha: "f32" } as const

/** Settings of the shader. */
export type SubgroupUniform = keyof typeof uniforms

/** Four subgroups, each with a quarter of the tile. */
const threadsOf = (subgroup: number): number => 4 * subgroup

const range = (count: number): ReadonlyArray<number> => [...Array(count).keys()]

/** Statements that copy a slab of halves, as they are stored, to `NAMETile`, which has rows of its contiguous axis. */
const fill = (name: "a" | "b", isAlongK: boolean, limit: "m" | "n", threads: number): string => {
  const width = isAlongK ? K_TILE : TILE
  const [outer, inner] = isAlongK ? [`${name}First`, "k0"] : ["k0", `${name}First`]
  const [outerEnd, innerEnd] = isAlongK ? [`settings.${limit}`, "settings.k"] : ["settings.k", `settings.${limit}`]
  return `for (var i = lane; i < ${TILE * K_TILE / 4}u; i += ${threads}u) {
    let row = ${outer} + i / ${width / 4}u;
    let column = ${inner} + 4u * (i % ${width / 4}u);
    var words = vec2<u32>(0u);
    if (row < ${outerEnd} && column < ${innerEnd}) { words = ${name}[(row * ${innerEnd} + column) >> 2u]; }
    let x = vec4<f16>(bitcast<vec2<f16>>(words.x), bitcast<vec2<f16>>(words.y));
    ${range(4).map((e) => `${name}Tile[4u * i + ${e}u] = x[${e}];`).join(" ")}
  }`
}

/**
 * C = activation(alpha op(A) op(B) + bias) + residual on the matrix units: a workgroup of four subgroups makes 64 x 64
 * numbers of dense matrices, each subgroup 2 x 2 pieces. Results go through workgroup memory, so that any M and N have
 * guards and an epilogue. It needs `enable-dawn-features=allow_unsafe_apis`, the features shader-f16, subgroups and
 * chromium-experimental-subgroup-matrix, and a config that fits. It is compiled in tests and was never run: no adapter
 * that reports a config was at hand.
 */
export const code: (params: SubgroupParams) => Shader<string, SubgroupUniform> = shaderOf(
  "subgroupGemm",
  (params: SubgroupParams): ShaderText<string, SubgroupUniform> => {
    const threads = threadsOf(params.subgroup)
    const pieces = range(4).map((i) => [i >> 1, i & 1] as const)
    const { bindings, declarations, write } = epilogue(params, "f32")
    const load = (side: "left" | "right", name: "a" | "b", i: number, isAlongK: boolean): string => {
      const order = isAlongK === (side === "left") ? "row_major" : "col_major"
      const at = `${name}Part + ${PIECE * i}u`
      const [offset, stride] = isAlongK ? [`(${at}) * ${K_TILE}u`, K_TILE] : [at, TILE]
      return `let ${name}${i} = subgroupMatrixLoad<subgroup_matrix_${side}<f16, ${PIECE}, ${PIECE}>, ${order}>` +
        `(&${name}Tile, ${offset}, ${stride}u);`
    }
    return {
      enable: ["f16", "subgroups", "chromium_experimental_subgroup_matrix"],
      bindings: {
        a: { access: "read", element: "vec2<u32>" },
        b: { access: "read", element: "vec2<u32>" },
        ...bindings
      },
      uniforms,
      workgroup: [threads, 1],
      declarations: `var<workgroup> aTile: array<f16, ${TILE * K_TILE}>;
var<workgroup> bTile: array<f16, ${TILE * K_TILE}>;
var<workgroup> result: array<f32, ${TILE * TILE / 2}>;
${declarations}`,
      body: `let index = group.y * groups.x + group.x;
if (index >= settings.count) { return; }
let aFirst = ${TILE}u * (index % settings.down);
let bFirst = ${TILE}u * (index / settings.down);
// Tint sees uniformity of workgroups only; a subgroup's threads follow one another, so \`own\` is the same in each.
@diagnostic(off, chromium.subgroup_matrix_uniformity) {
let own = lane / ${params.subgroup}u;
let aPart = ${2 * PIECE}u * (own / 2u);
let bPart = ${2 * PIECE}u * (own % 2u);
${pieces.map(([i, j]) => `var c${i}${j}: subgroup_matrix_result<f32, ${PIECE}, ${PIECE}>;`).join("\n")}
for (var k0 = 0u; k0 < settings.k; k0 += ${K_TILE}u) {
  ${fill("a", !params.aIsT, "m", threads)}
  ${fill("b", params.bIsT, "n", threads)}
  workgroupBarrier();
  ${[0, 1].map((i) => load("left", "a", i, !params.aIsT)).join("\n  ")}
  ${[0, 1].map((j) => load("right", "b", j, params.bIsT)).join("\n  ")}
  ${pieces.map(([i, j]) => `c${i}${j} = subgroupMatrixMultiplyAccumulate(a${i}, b${j}, c${i}${j});`).join("\n  ")}
  workgroupBarrier();
}
${
        [0, 1].map((i) =>
          // One row of pieces of each subgroup at a time: the whole tile would take all of 16 KiB.
          `workgroupBarrier();
${
            [0, 1].map((j) =>
              `subgroupMatrixStore<row_major>(&result, ${PIECE}u * ${TILE}u * (own / 2u) + bPart + ${PIECE * j}u, ` +
              `c${i}${j}, ${TILE}u);`
            ).join("\n")
          }
workgroupBarrier();
for (var i = lane; i < ${TILE * TILE / 2}u; i += ${threads}u) {
  let slot = i / ${TILE}u;
  let row = aFirst + ${2 * PIECE}u * (slot / ${PIECE}u) + ${PIECE * i}u + slot % ${PIECE}u;
  let column = bFirst + i % ${TILE}u;
  if (row < settings.m && column < settings.n) { ${write("result[i]", "(row * settings.n + column)", "column")} }
}`
        ).join("\n")
      }
}`
    }
  }
)

/** Workgroups and settings of a dense product. */
export const plan = (
  { m, n, k, alpha = 1 }: { readonly m: number; readonly n: number; readonly k: number; readonly alpha?: number },
  limits: Limits
): { readonly uniforms: Readonly<Record<SubgroupUniform, number>>; readonly groups: Groups } => {
  const down = Math.ceil(m / TILE)
  const count = down * Math.ceil(n / TILE)
  return { uniforms: { m, n, k, down, count, alpha }, groups: foldGroups(count, limits) }
}
