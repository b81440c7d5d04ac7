import { resampleFilters } from "../tensor/filters.ts"

/** `bilinear` is the triangle (support 1), `bicubic` Keys' cubic with a = -0.5 (support 2). */
export type ResizeFilter = "bilinear" | "bicubic"

/** Bits after the point of a weight: 32 minus 8 for the sample minus 2 for sums above 1. Source: Pillow, Resample.c. */
export const WEIGHT_BITS = 22

/**
 * How each of `outSize` samples is made of `inSize` samples: sample x is the sum of `taps[x]` inputs from `first[x]` on,
 * with weights from `weights[x * stride]` on, in units of 2 ** -22.
 */
export interface ResizeWeights {
  readonly stride: number
  readonly first: Int32Array
  readonly taps: Int32Array
  readonly weights: Int32Array
}

const compute = (inSize: number, outSize: number, filter: ResizeFilter): ResizeWeights => {
  const { support, weight } = resampleFilters[filter]
  const scale = inSize / outSize
  const filterScale = Math.max(scale, 1) // wider when shrinking, which is the antialias
  const reach = support * filterScale
  const stride = Math.ceil(reach) * 2 + 1
  const first = new Int32Array(outSize)
  const taps = new Int32Array(outSize)
  const weights = new Int32Array(outSize * stride)
  const real = new Float64Array(stride)
  const inverse = 1 / filterScale
  for (let x = 0; x < outSize; x++) {
    const center = (x + 0.5) * scale
    const low = Math.max(Math.trunc(center - reach + 0.5), 0)
    const count = Math.min(Math.trunc(center + reach + 0.5), inSize) - low
    let sum = 0
    for (let k = 0; k < count; k++) {
      const w = weight((k + low - center + 0.5) * inverse)
      real[k] = w
      sum += w
    }
    for (let k = 0; k < count; k++) {
      const w = (sum === 0 ? real[k] ?? 0 : (real[k] ?? 0) / sum) * (1 << WEIGHT_BITS)
      weights[x * stride + k] = Math.trunc(w < 0 ? w - 0.5 : w + 0.5)
    }
    first[x] = low
    taps[x] = count
  }
  return { stride, first, taps, weights }
}

// A pure memo: random crops meet the same few hundred pairs of sizes again and again. Bounded, oldest out first.
const MAX_CACHED = 512
const MAX_CACHED_WEIGHTS = 16_384
const cache = new Map<number, ResizeWeights>()

/** The weights for one axis, remembered per (inSize, outSize, filter). Source: Pillow, `precompute_coeffs`. */
export const resizeWeights = (inSize: number, outSize: number, filter: ResizeFilter): ResizeWeights => {
  const key = (inSize * 16_777_216 + outSize) * 2 + (filter === "bicubic" ? 1 : 0)
  const known = cache.get(key)
  if (known !== undefined) return known
  const made = compute(inSize, outSize, filter)
  if (inSize < 8_388_608 && outSize < 8_388_608 && made.weights.length <= MAX_CACHED_WEIGHTS) {
    if (cache.size >= MAX_CACHED) {
      const oldest = cache.keys().next()
      if (oldest.done !== true) cache.delete(oldest.value)
    }
    cache.set(key, made)
  }
  return made
}
