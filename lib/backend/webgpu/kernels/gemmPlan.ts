import { foldGroups, type Groups, type Limits } from "../limits.ts"
import type { EpilogueActivation } from "./gemmEpilogue.ts"
import {
  K_TILE,
  type Storage,
  tileBytes,
  type TileParams,
  type TileShape,
  tileSize,
  type TileUniform
} from "./gemmTile.ts"

/** Where the numbers of an operand lie, in elements of its tensor. */
export interface Layout {
  /** The first element. Default 0. */
  readonly from?: number
  /** From one stored row to the next. */
  readonly row: number
  /** From one matrix to the next. Default 0: one matrix for all. */
  readonly inner?: number
  /** From one group of matrices to the next. Default 0. */
  readonly outer?: number
}

/** An operand of a product: `transposed` ones are stored as [K, M], or as [N, K]. */
export interface OperandLayout extends Layout {
  readonly order: "plain" | "transposed"
  /** Halves are packed in twos into the words of an int32 tensor; strides count halves. Default f32. */
  readonly type?: "f32" | "half"
}

/** A product of outer x inner pairs of matrices, [M, K] by [K, N], without its tensors. */
export interface ProductShape {
  readonly m: number
  readonly n: number
  readonly k: number
  readonly inner?: number
  readonly outer?: number
  readonly a: OperandLayout
  readonly b: OperandLayout
  readonly c: Layout
  readonly alpha?: number
  readonly activation?: EpilogueActivation
  /** What the epilogue has. */
  readonly extras?: ReadonlyArray<"bias" | "residual" | "pre">
}

/** A tile, the share of a card's arithmetic that it reaches, and how many of them keep a card busy. */
interface Candidate {
  readonly shape: TileShape
  readonly efficiency: number
  readonly slots: number
}

/**
 * From 128 x 128 with 8 x 8 numbers a thread to slivers for products with few rows or few columns. A workgroup of 64
 * threads needs a second one beside it to keep all parts of a GPU's core at work.
 */
const candidates: ReadonlyArray<Candidate> = [
  { shape: { across: 16, down: 16, tall: 2, wide: 2 }, efficiency: 1, slots: 64 },
  { shape: { across: 8, down: 8, tall: 2, wide: 2 }, efficiency: 0.9, slots: 128 },
  { shape: { across: 8, down: 8, tall: 1, wide: 1 }, efficiency: 0.5, slots: 128 },
  { shape: { across: 16, down: 4, tall: 1, wide: 1 }, efficiency: 0.4, slots: 128 },
  { shape: { across: 4, down: 16, tall: 1, wide: 1 }, efficiency: 0.4, slots: 128 }
]

/** The inner dimension is cut into at most so many parts, of at least so many steps. */
const MOST_PARTS = 16
const LEAST_STEPS = 256
/** What it costs to write a part's number and to read it again, and to start another dispatch, in multiply-adds. */
const PART_COST = 80
const DISPATCH_COST = 1.5e8

const isWhole = (count: number | undefined): boolean => (count ?? 0) % 4 === 0

/** Whether runs of four along the contiguous axis, of that length, start at multiples of four. */
const isAligned = ({ from, row, inner, outer }: Layout, length: number): boolean =>
  [from, row, inner, outer, length].every(isWhole)

const storageOf = (layout: OperandLayout, length: number, { hasF16 }: Limits): Storage => {
  const type = layout.type ?? "f32"
  if (!isAligned(layout, length)) return type
  return type === "half" && hasF16 ? "f16x4" : `${type}x4`
}

/** How a product is computed: constants, settings and workgroups of its shader, and of the sum of its parts. */
export interface Plan {
  readonly params: TileParams
  readonly uniforms: Readonly<Record<TileUniform, number>>
  readonly groups: Groups
  /** Where the inner dimension is cut, the tiles write `parts` results one after the other, [parts, outer, inner, M, N]. */
  readonly parts: number
}

/** Whether the matrices of C lie without gaps. */
const isDense = ({ m, n, inner = 1, outer = 1, c }: ProductShape): boolean =>
  (c.from ?? 0) === 0 && c.row === n && (inner === 1 || c.inner === m * n) && (outer === 1 || c.outer === inner * m * n)

const fits = (shape: TileShape, limits: Limits): boolean =>
  shape.across * shape.down <= limits.maxComputeInvocationsPerWorkgroup &&
  shape.across * shape.down <= limits.maxComputeWorkgroupSizeX &&
  tileBytes(shape) <= limits.maxComputeWorkgroupStorageSize

/**
 * The tile and the number of parts with the least estimated time. It follows from sizes and layouts alone, so a product
 * has the same bits each time.
 */
export const plan = (product: ProductShape, limits: Limits): Plan => {
  const { m, n, k, inner = 1, outer = 1, a, b, c, alpha = 1, activation = "none", extras = [] } = product
  const batch = inner * outer
  const mostParts = isDense(product) ? Math.max(1, Math.min(MOST_PARTS, Math.floor(k / LEAST_STEPS))) : 1
  const most = Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize)
  const options = candidates.filter(({ shape }) => fits(shape, limits)).flatMap((candidate) => {
    const { rows, cols } = tileSize(candidate.shape)
    const [down, across] = [Math.ceil(m / rows), Math.ceil(n / cols)]
    return Array.from({ length: mostParts }, (_, i) => {
      const kPart = K_TILE * Math.max(1, Math.ceil(k / (i + 1) / K_TILE))
      const parts = Math.max(1, Math.ceil(k / kPart))
      const count = batch * down * across * parts
      const work = Math.max(count, candidate.slots) * rows * cols * Math.min(k, kPart) / candidate.efficiency
      const joining = parts === 1 ? 0 : DISPATCH_COST + PART_COST * parts * batch * m * n
      return { ...candidate, down, across, kPart, parts, count, cost: work + joining }
    }).filter(({ parts }) => parts === 1 || 4 * parts * batch * m * n <= most)
  })
  const best = options.reduce((best, option) => option.cost < best.cost ? option : best)
  const { shape, down, across, kPart, parts, count } = best
  const isCut = parts > 1
  const into = isCut ? { row: n, inner: m * n, outer: inner * m * n } : c
  const has = (name: "bias" | "residual" | "pre"): boolean => !isCut && extras.includes(name)
  return {
    params: {
      ...shape,
      a: storageOf(a, a.order === "plain" ? k : m, limits),
      b: storageOf(b, b.order === "plain" ? n : k, limits),
      c: isAligned(into, n) ? "f32x4" : "f32",
      aIsT: a.order === "transposed",
      bIsT: b.order === "transposed",
      bias: has("bias"),
      residual: has("residual"),
      pre: has("pre"),
      activation: isCut ? "none" : activation
    },
    uniforms: {
      ...{ m, n, k, down, across, count, parts, kPart, inner },
      ...{ aFrom: a.from ?? 0, aRow: a.row, aInner: a.inner ?? 0, aOuter: a.outer ?? 0 },
      ...{ bFrom: b.from ?? 0, bRow: b.row, bInner: b.inner ?? 0, bOuter: b.outer ?? 0 },
      ...{ cFrom: into.from ?? 0, cRow: into.row, cInner: into.inner ?? 0, cOuter: into.outer ?? 0 },
      cPart: batch * m * n,
      alpha: isCut ? 1 : alpha
    },
    groups: foldGroups(count, limits),
    parts
  }
}
