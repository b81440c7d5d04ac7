import { resampleFilters, ShapeError } from "../tensor/index.ts"

/** The filter of a resize: `bicubic` is Keys' cubic with a = -0.5, `bilinear` the triangle; both widen when shrinking. */
export type PositionFilter = "bicubic" | "bilinear"

/** What one output place is made of: inputs from `first` on, with weights that sum to 1. */
interface Taps {
  readonly first: number
  readonly weights: ReadonlyArray<number>
}

const tapsOf = (from: number, to: number, filter: PositionFilter): ReadonlyArray<Taps> => {
  const { support, weight } = resampleFilters[filter]
  const scale = from / to
  const stretch = Math.max(scale, 1) // wider when shrinking: the antialias
  const reach = support * stretch
  return Array.from({ length: to }, (_, place) => {
    const center = (place + 0.5) * scale
    const first = Math.max(Math.trunc(center - reach + 0.5), 0)
    const end = Math.min(Math.trunc(center + reach + 0.5), from)
    const raw = Array.from({ length: end - first }, (_, k) => weight((first + k - center + 0.5) / stretch))
    const sum = raw.reduce((total, w) => total + w, 0)
    return { first, weights: raw.map((w) => w / sum) }
  })
}

/** One axis of [outer, from, inner] -> [outer, to, inner]; rows of `inner` numbers are mixed as wholes. */
const resizeAxis = (data: Float64Array, inner: number, from: number, taps: ReadonlyArray<Taps>): Float64Array => {
  const outer = data.length / (from * inner)
  const out = new Float64Array(outer * taps.length * inner)
  for (let o = 0; o < outer; o++) {
    taps.forEach(({ first, weights }, place) => {
      const target = (o * taps.length + place) * inner
      weights.forEach((weight, k) => {
        const source = (o * from + first + k) * inner
        for (let i = 0; i < inner; i++) out[target + i] = (out[target + i] ?? 0) + weight * (data[source + i] ?? 0)
      })
    })
  }
  return out
}

const sideOf = (tokens: number): number => {
  const side = Math.round(Math.sqrt(tokens - 1))
  if (tokens < 2 || side * side !== tokens - 1) {
    throw new ShapeError("interpolatePositions", "one class token and a square grid of patches", `${tokens} tokens`)
  }
  return side
}

/**
 * Image positions for another grid of patches: `positions` [1, N, D] (D = `width`) -> [1, `tokens`, D], where N and
 * `tokens` are 1 + a square. The class token's row is kept; the others are resized as a picture of D channels, along
 * columns, then rows, antialiased, without aligned corners. The same size is a copy, bit for bit. Sums are in float64
 * and rounded once. Throws ShapeError for other shapes.
 *
 * Source: timm `resample_abs_pos_embed` and open_clip `resize_pos_embed` (bicubic, antialias), that is torch's
 * `interpolate(mode="bicubic", antialias=True, align_corners=False)`, which works in float32.
 *
 * @example
 * ```ts
 * import { interpolatePositions } from "./interpolatePositions.ts"
 *
 * const [classToken, patches] = [[9], [0, 1, 2, 3]] // a grid of 2 x 2, width 1
 * const positions = Float32Array.from([...classToken, ...patches])
 * console.log(interpolatePositions(positions, { tokens: 1 + 3 * 3, width: 1 }).length) // 10
 * ```
 */
export const interpolatePositions = (
  positions: Float32Array,
  { tokens, width, filter = "bicubic" }: {
    readonly tokens: number
    readonly width: number
    /** Default `bicubic`. */
    readonly filter?: PositionFilter
  }
): Float32Array => {
  const [from, to] = [sideOf(positions.length / width), sideOf(tokens)]
  if (from === to) return positions.slice()
  const taps = tapsOf(from, to, filter)
  const grid = Float64Array.from(positions.subarray(width)) // [G, G, D]
  const wide = resizeAxis(grid, width, from, taps) // [G, G, D] -> [G, G', D]
  const resized = resizeAxis(wide, to * width, from, taps) // [G, G', D] -> [G', G', D]
  const out = new Float32Array(tokens * width)
  out.set(positions.subarray(0, width))
  out.set(resized, width)
  return out
}

/**
 * Text positions for another context: `positions` [L, D] (D = `width`) -> [`contextLength`, D]. A shorter context keeps the
 * first rows, a longer one gets rows of zeros behind them. The text tower is causal, so a caption that fits both contexts
 * is embedded as before; rows of zeros wait to be trained. (open_clip resizes all rows instead, which changes every
 * caption.) Throws ShapeError where `positions` are no whole rows.
 */
export const fitContext = (
  positions: Float32Array,
  { contextLength, width }: { readonly contextLength: number; readonly width: number }
): Float32Array => {
  if (positions.length % width !== 0) {
    throw new ShapeError("fitContext", `rows of ${width} numbers`, `${positions.length} numbers`)
  }
  const out = new Float32Array(contextLength * width)
  out.set(positions.subarray(0, out.length))
  return out
}
