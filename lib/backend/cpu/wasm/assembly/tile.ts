// Tiles of C: one pass over k with all sums in registers. Every tile adds the products of one element in ascending
// order of k, so that which of them runs changes no bit.

/** The tile of large products, TILE_*; the host sets it after it has made the instance. */
export let tile: i32 = 0

/** 4 x 8; four values of A in one load, each spread by a shuffle: for engines on which loads are dear. */
export const TILE_LANES: i32 = 0
/** 4 x 8; each value of A spread by its load. */
export const TILE_LOADS: i32 = 1
/** 3 x 12; each value of A spread by its load. */
export const TILE_WIDE: i32 = 2

/** a b + c: one rounding in the module built with relaxed SIMD, on engines that fuse; two in the other. */
@inline function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c)
  return f32x4.add(c, f32x4.mul(a, b))
}

@inline function put(c: usize, value: v128, alpha: v128, isAdding: bool, bias: usize): void {
  let v = f32x4.mul(value, alpha)
  if (isAdding) v = f32x4.add(v128.load(c), v)
  if (bias != 0) v = f32x4.add(v, v128.load(bias))
  v128.store(c, v)
}

/** Writes the corner [rows, cols] of a tile from `spill`, whose rows are `step` bytes long, not yet scaled. */
function putCorner(
  spill: usize,
  step: usize,
  c: usize,
  ldc: usize,
  alpha: f32,
  isAdding: bool,
  bias: usize,
  rows: usize,
  cols: usize
): void {
  const scale = f32x4.splat(alpha)
  for (let i: usize = 0; i < rows; i++) {
    let o: usize = 0
    const end = cols << 2
    for (; o + 16 <= end; o += 16) put(c + o, v128.load(spill + o), scale, isAdding, bias == 0 ? 0 : bias + o)
    for (; o < end; o += 4) {
      let v = load<f32>(spill + o) * alpha
      if (isAdding) v = load<f32>(c + o) + v
      if (bias != 0) v += load<f32>(bias + o)
      store<f32>(c + o, v)
    }
    spill += step
    c += ldc
  }
}

/** A 4 x 8 tile. `ap` is a panel of A; `bp` has a row of 8 values every `bStep` bytes. ldc in bytes. */
@inline function fourByEight(
  isLanes: bool,
  ap: usize,
  bp: usize,
  bStep: usize,
  kc: usize,
  c: usize,
  ldc: usize,
  alpha: f32,
  isAdding: bool,
  bias: usize,
  rows: usize,
  cols: usize,
  spill: usize
): void {
  let c00 = f32x4.splat(0), c01 = f32x4.splat(0)
  let c10 = f32x4.splat(0), c11 = f32x4.splat(0)
  let c20 = f32x4.splat(0), c21 = f32x4.splat(0)
  let c30 = f32x4.splat(0), c31 = f32x4.splat(0)
  const end = ap + (kc << 4)
  while (ap < end) {
    const b0 = v128.load(bp)
    const b1 = v128.load(bp, 16)
    if (isLanes) {
      const a = v128.load(ap)
      const a0 = v128.shuffle<f32>(a, a, 0, 0, 0, 0)
      c00 = madd(a0, b0, c00)
      c01 = madd(a0, b1, c01)
      const a1 = v128.shuffle<f32>(a, a, 1, 1, 1, 1)
      c10 = madd(a1, b0, c10)
      c11 = madd(a1, b1, c11)
      const a2 = v128.shuffle<f32>(a, a, 2, 2, 2, 2)
      c20 = madd(a2, b0, c20)
      c21 = madd(a2, b1, c21)
      const a3 = v128.shuffle<f32>(a, a, 3, 3, 3, 3)
      c30 = madd(a3, b0, c30)
      c31 = madd(a3, b1, c31)
    } else {
      const a0 = v128.load32_splat(ap)
      c00 = madd(a0, b0, c00)
      c01 = madd(a0, b1, c01)
      const a1 = v128.load32_splat(ap, 4)
      c10 = madd(a1, b0, c10)
      c11 = madd(a1, b1, c11)
      const a2 = v128.load32_splat(ap, 8)
      c20 = madd(a2, b0, c20)
      c21 = madd(a2, b1, c21)
      const a3 = v128.load32_splat(ap, 12)
      c30 = madd(a3, b0, c30)
      c31 = madd(a3, b1, c31)
    }
    ap += 16
    bp += bStep
  }
  if (rows == 4 && cols == 8) {
    const scale = f32x4.splat(alpha)
    const high = bias == 0 ? 0 : bias + 16
    put(c, c00, scale, isAdding, bias)
    put(c + 16, c01, scale, isAdding, high)
    c += ldc
    put(c, c10, scale, isAdding, bias)
    put(c + 16, c11, scale, isAdding, high)
    c += ldc
    put(c, c20, scale, isAdding, bias)
    put(c + 16, c21, scale, isAdding, high)
    c += ldc
    put(c, c30, scale, isAdding, bias)
    put(c + 16, c31, scale, isAdding, high)
    return
  }
  v128.store(spill, c00)
  v128.store(spill, c01, 16)
  v128.store(spill, c10, 32)
  v128.store(spill, c11, 48)
  v128.store(spill, c20, 64)
  v128.store(spill, c21, 80)
  v128.store(spill, c30, 96)
  v128.store(spill, c31, 112)
  putCorner(spill, 32, c, ldc, alpha, isAdding, bias, rows, cols)
}

/** See `fourByEight`. */
export function tileOfLanes(
  ap: usize,
  bp: usize,
  bStep: usize,
  kc: usize,
  c: usize,
  ldc: usize,
  alpha: f32,
  isAdding: bool,
  bias: usize,
  rows: usize,
  cols: usize,
  spill: usize
): void {
  fourByEight(true, ap, bp, bStep, kc, c, ldc, alpha, isAdding, bias, rows, cols, spill)
}

/** See `fourByEight`. */
export function tileOfLoads(
  ap: usize,
  bp: usize,
  bStep: usize,
  kc: usize,
  c: usize,
  ldc: usize,
  alpha: f32,
  isAdding: bool,
  bias: usize,
  rows: usize,
  cols: usize,
  spill: usize
): void {
  fourByEight(false, ap, bp, bStep, kc, c, ldc, alpha, isAdding, bias, rows, cols, spill)
}

/** A 3 x 12 tile; as `fourByEight`, with rows of 12 values in `bp`. */
export function wideTile(
  ap: usize,
  bp: usize,
  bStep: usize,
  kc: usize,
  c: usize,
  ldc: usize,
  alpha: f32,
  isAdding: bool,
  bias: usize,
  rows: usize,
  cols: usize,
  spill: usize
): void {
  let c00 = f32x4.splat(0), c01 = f32x4.splat(0), c02 = f32x4.splat(0)
  let c10 = f32x4.splat(0), c11 = f32x4.splat(0), c12 = f32x4.splat(0)
  let c20 = f32x4.splat(0), c21 = f32x4.splat(0), c22 = f32x4.splat(0)
  const end = ap + (kc << 4)
  while (ap < end) {
    const b0 = v128.load(bp)
    const b1 = v128.load(bp, 16)
    const b2 = v128.load(bp, 32)
    const a0 = v128.load32_splat(ap)
    c00 = madd(a0, b0, c00)
    c01 = madd(a0, b1, c01)
    c02 = madd(a0, b2, c02)
    const a1 = v128.load32_splat(ap, 4)
    c10 = madd(a1, b0, c10)
    c11 = madd(a1, b1, c11)
    c12 = madd(a1, b2, c12)
    const a2 = v128.load32_splat(ap, 8)
    c20 = madd(a2, b0, c20)
    c21 = madd(a2, b1, c21)
    c22 = madd(a2, b2, c22)
    ap += 16
    bp += bStep
  }
  if (rows == 3 && cols == 12) {
    const scale = f32x4.splat(alpha)
    const middle = bias == 0 ? 0 : bias + 16
    const high = bias == 0 ? 0 : bias + 32
    put(c, c00, scale, isAdding, bias)
    put(c + 16, c01, scale, isAdding, middle)
    put(c + 32, c02, scale, isAdding, high)
    c += ldc
    put(c, c10, scale, isAdding, bias)
    put(c + 16, c11, scale, isAdding, middle)
    put(c + 32, c12, scale, isAdding, high)
    c += ldc
    put(c, c20, scale, isAdding, bias)
    put(c + 16, c21, scale, isAdding, middle)
    put(c + 32, c22, scale, isAdding, high)
    return
  }
  v128.store(spill, c00)
  v128.store(spill, c01, 16)
  v128.store(spill, c02, 32)
  v128.store(spill, c10, 48)
  v128.store(spill, c11, 64)
  v128.store(spill, c12, 80)
  v128.store(spill, c20, 96)
  v128.store(spill, c21, 112)
  v128.store(spill, c22, 128)
  putCorner(spill, 48, c, ldc, alpha, isAdding, bias, rows, cols)
}
