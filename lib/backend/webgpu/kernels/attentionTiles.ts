import { ExceedsLimit } from "../errors.ts"
import { foldGroups, type Groups, type Limits } from "../limits.ts"

/** What attention of a batch looks like: 1 map a head, or 2 whose difference weights values of twice the width. */
export interface AttentionShape {
  readonly batch: number
  readonly tokens: number
  /** Heads of the result: pairs of heads of q and k where there are 2 maps. */
  readonly heads: number
  /** Width of a head of q and k. */
  readonly headDim: number
  readonly maps: 1 | 2
}

/** That of q [B, N, numHeads x Dh]: with two maps, heads of q and k go in pairs. */
export const attentionShape = (
  [batch = 0, tokens = 0, width = 0]: ReadonlyArray<number>,
  numHeads: number,
  maps: AttentionShape["maps"]
): AttentionShape => ({ batch, tokens, heads: numHeads / maps, headDim: width / numHeads, maps })

/**
 * Constants that the shaders are compiled with. A workgroup owns `rows` rows and streams the others by `columns` at a
 * time; `lanes` threads share a row, and each thread has `each` rows.
 */
export type Tiles = {
  readonly maps: 1 | 2
  readonly headDim: number
  readonly rows: number
  readonly columns: number
  readonly lanes: number
  readonly each: number
}

/**
 * Settings of all attention shaders. `width` is the features of a token, in elements of the bindings; `numRows` the rows
 * of all maps; `count` the workgroups that have work.
 */
export const attentionUniforms = {
  tokens: "u32",
  width: "u32",
  heads: "u32",
  numRows: "u32",
  count: "u32",
  causal: "u32",
  scale: "f32"
} as const

/** The values of `attentionUniforms`. */
export type AttentionUniforms = Readonly<Record<keyof typeof attentionUniforms, number>>

/** How one shader runs. */
export interface AttentionPlan {
  readonly tiles: Tiles
  readonly groups: Groups
  readonly uniforms: AttentionUniforms
}

/** Bytes of a vec4 of floats. */
const VEC4 = 16

/** How a row lies in workgroup memory. */
export interface AttentionRow {
  /** vec4 of one map's part. */
  readonly perMap: number
  /** vec4 of a row. */
  readonly length: number
  /** vec4 from a streamed row to the next: odd, so that threads that read one column of many rows meet no bank twice. */
  readonly stride: number
  /** Whether the parts are whole vec4 in the tensors too. */
  readonly isWhole: boolean
}

/** How a row of q, k, v or their gradients lies in workgroup memory: each half of a pair is padded to whole vec4. */
export const rowOf = ({ maps, headDim }: Pick<Tiles, "maps" | "headDim">): AttentionRow => {
  const perMap = Math.ceil(headDim / 4)
  const length = maps * perMap
  return { perMap, length, stride: length % 2 === 0 ? length + 1 : length, isWhole: headDim % 4 === 0 }
}

/** Workgroup memory of the forward shader: own q, a tile of k or v, weights and a number a thread for each of its rows. */
export const forwardBytes = (tiles: Tiles): number => {
  const { maps, rows, columns, lanes } = tiles
  const { length, stride } = rowOf(tiles)
  return VEC4 * (rows * length + columns * stride) + 4 * maps * rows * (columns + lanes)
}

/** Workgroup memory of the backward shaders: two tensors' own rows, a tile of a third, and two weights a map. */
export const backwardBytes = (tiles: Tiles): number => {
  const { maps, rows, columns } = tiles
  const { length, stride } = rowOf(tiles)
  return VEC4 * (2 * rows * length + columns * stride) + 8 * maps * rows * columns
}

/** Threads of a workgroup. */
export const threadsOf = ({ rows, each, lanes }: Tiles): number => rows / each * lanes

/** The same as a shader wants them. */
export const workgroupOf = (tiles: Tiles): readonly [x: number, y: number] => [threadsOf(tiles), 1]

/** Rows and columns of tiles, the best first. */
const SIZES = [[32, 16], [16, 16], [16, 8], [8, 8], [8, 4], [4, 4], [2, 2], [1, 1]] as const
/** Streamed rows of which a thread makes the scores: unrolled, and what is unrolled must be compiled. */
const MOST_SCORES = 2
/** Sums that a thread may hold, in vec4: 64 registers. */
const MOST_SUMS = 16

const tilesOf = ({ maps, headDim }: AttentionShape, rows: number, most: number): Tiles => {
  const { perMap } = rowOf({ maps, headDim })
  const lanes = Math.min(most, perMap > 16 ? 16 : perMap > 4 ? 8 : 4)
  const columns = Math.min(most, MOST_SCORES * lanes)
  const sums = 2 * maps * Math.ceil(perMap / lanes) // of one row: both maps times values, or two sums of keys a map
  return { maps, headDim, rows, columns, lanes, each: rows > 1 && 2 * sums <= MOST_SUMS ? 2 : 1 }
}

const planFor = (name: string, bytesOf: (tiles: Tiles) => number) =>
(
  shape: AttentionShape,
  causal: boolean,
  limits: Limits
): AttentionPlan => {
  const { batch, tokens, heads, headDim, maps } = shape
  const most = limits.maxComputeWorkgroupStorageSize
  const threads = Math.min(limits.maxComputeInvocationsPerWorkgroup, limits.maxComputeWorkgroupSizeX)
  const tiles = SIZES.map(([rows, columns]) => tilesOf(shape, rows, columns))
    .find((tiles) => bytesOf(tiles) <= most && threadsOf(tiles) <= threads)
  if (tiles === undefined) {
    const found = bytesOf(tilesOf(shape, 1, 1))
    throw new ExceedsLimit({
      kernel: name,
      tensor: "q",
      limitName: "maxComputeWorkgroupStorageSize",
      limit: most,
      found,
      message: `${name}: one row of heads of width ${headDim} takes ${found} bytes of workgroup memory, this adapter ` +
        `has ${most}. More and narrower heads fit`
    })
  }
  const count = batch * heads * Math.ceil(tokens / tiles.rows)
  const width = heads * maps * headDim / (rowOf(tiles).isWhole ? 4 : 1)
  return {
    tiles,
    groups: foldGroups(count, limits),
    uniforms: {
      tokens,
      width,
      heads,
      numRows: batch * heads * maps * tokens,
      count,
      causal: causal ? 1 : 0,
      scale: headDim ** -0.5
    }
  }
}

/** Tiles, workgroups and settings of the forward shader. Throws `ExceedsLimit` where not even one row fits. */
export const planForward: (shape: AttentionShape, causal: boolean, limits: Limits) => AttentionPlan = planFor(
  "attention",
  forwardBytes
)

/** The same for both backward shaders: one owns rows of queries, the other of keys. */
export const planBackward: (shape: AttentionShape, causal: boolean, limits: Limits) => AttentionPlan = planFor(
  "attention gradient",
  backwardBytes
)
