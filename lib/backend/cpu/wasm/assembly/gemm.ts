import { scratchOf, share, word, float } from "./job"

// C [M, N] (=, +=) alpha A [M, K] B [K, N] (+ bias). Panels of A (4 rows) and of B (8 columns) are packed from any
// strides, so that transposition costs nothing. K is cut in blocks of KC in ascending order and never over workers:
// tile, blocks and number of workers leave the bits alone.

const KC: usize = 256
const NC: usize = 1024
const MC: usize = 64
const PACK_B: usize = KC * NC * 4
const PACK_A: usize = MC * KC * 4

/** Rows of A in panels of four: dst[k][4]; missing rows are zeros. Strides in bytes. */
function packA(dst: usize, a: usize, rowStride: usize, colStride: usize, rows: usize, kc: usize): void {
  for (let i: usize = 0; i < rows; i += 4) {
    const left = rows - i
    let p = a + i * rowStride
    let k: usize = 0
    if (left >= 4) {
      if (rowStride == 4) {
        for (; k < kc; k++) {
          v128.store(dst, v128.load(p))
          dst += 16
          p += colStride
        }
      } else {
        const p1 = p + rowStride
        const p2 = p1 + rowStride
        const p3 = p2 + rowStride
        let o: usize = 0
        if (colStride == 4) {
          for (; k + 4 <= kc; k += 4) {
            transpose4(v128.load(p + o), v128.load(p1 + o), v128.load(p2 + o), v128.load(p3 + o), dst, 16)
            dst += 64
            o += 16
          }
        }
        for (; k < kc; k++) {
          store<f32>(dst, load<f32>(p + o))
          store<f32>(dst, load<f32>(p1 + o), 4)
          store<f32>(dst, load<f32>(p2 + o), 8)
          store<f32>(dst, load<f32>(p3 + o), 12)
          dst += 16
          o += colStride
        }
      }
    } else {
      for (; k < kc; k++) {
        store<f32>(dst, load<f32>(p))
        store<f32>(dst, left > 1 ? load<f32>(p + rowStride) : 0, 4)
        store<f32>(dst, left > 2 ? load<f32>(p + 2 * rowStride) : 0, 8)
        store<f32>(dst, 0, 12)
        dst += 16
        p += colStride
      }
    }
  }
}

@inline function transpose4(r0: v128, r1: v128, r2: v128, r3: v128, dst: usize, stride: usize): void {
  const a = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5)
  const b = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7)
  const c = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5)
  const d = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7)
  v128.store(dst, v128.shuffle<f64>(a, c, 0, 2))
  v128.store(dst + stride, v128.shuffle<f64>(a, c, 1, 3))
  v128.store(dst + 2 * stride, v128.shuffle<f64>(b, d, 0, 2))
  v128.store(dst + 3 * stride, v128.shuffle<f64>(b, d, 1, 3))
}

/** Columns of B in panels of eight: dst[k][8]; missing columns are zeros. Strides in bytes. */
function packB(dst: usize, b: usize, rowStride: usize, colStride: usize, cols: usize, kc: usize): void {
  for (let j: usize = 0; j < cols; j += 8) {
    const left = cols - j
    let p = b + j * colStride
    let k: usize = 0
    if (left >= 8) {
      if (colStride == 4) {
        for (; k < kc; k++) {
          v128.store(dst, v128.load(p))
          v128.store(dst, v128.load(p, 16), 16)
          dst += 32
          p += rowStride
        }
      } else {
        if (rowStride == 4) {
          const c4 = p + 4 * colStride
          for (; k + 4 <= kc; k += 4) {
            let o = k << 2
            transpose4(
              v128.load(p + o),
              v128.load(p + o + colStride),
              v128.load(p + o + 2 * colStride),
              v128.load(p + o + 3 * colStride),
              dst,
              32
            )
            transpose4(
              v128.load(c4 + o),
              v128.load(c4 + o + colStride),
              v128.load(c4 + o + 2 * colStride),
              v128.load(c4 + o + 3 * colStride),
              dst + 16,
              32
            )
            dst += 128
          }
        }
        for (; k < kc; k++) {
          let q = p + k * rowStride
          for (let c: usize = 0; c < 32; c += 4) {
            store<f32>(dst + c, load<f32>(q))
            q += colStride
          }
          dst += 32
        }
      }
    } else {
      for (; k < kc; k++) {
        let q = p
        for (let c: usize = 0; c < 8; c++) {
          if (c < left) {
            store<f32>(dst, load<f32>(q))
            q += colStride
          } else store<f32>(dst, 0)
          dst += 4
        }
        p += rowStride
      }
    }
  }
}

@inline function put(c: usize, value: v128, alpha: v128, isAdding: bool, bias: usize): void {
  let v = f32x4.mul(value, alpha)
  if (isAdding) v = f32x4.add(v128.load(c), v)
  if (bias != 0) v = f32x4.add(v, v128.load(bias))
  v128.store(c, v)
}

/** One 4 x 8 tile: eight accumulators, one load of four A values spread lane by lane. */
function tile(
  ap: usize,
  bp: usize,
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
    const a = v128.load(ap)
    const b0 = v128.load(bp)
    const b1 = v128.load(bp, 16)
    const a0 = v128.shuffle<f32>(a, a, 0, 0, 0, 0)
    c00 = f32x4.add(c00, f32x4.mul(a0, b0))
    c01 = f32x4.add(c01, f32x4.mul(a0, b1))
    const a1 = v128.shuffle<f32>(a, a, 1, 1, 1, 1)
    c10 = f32x4.add(c10, f32x4.mul(a1, b0))
    c11 = f32x4.add(c11, f32x4.mul(a1, b1))
    const a2 = v128.shuffle<f32>(a, a, 2, 2, 2, 2)
    c20 = f32x4.add(c20, f32x4.mul(a2, b0))
    c21 = f32x4.add(c21, f32x4.mul(a2, b1))
    const a3 = v128.shuffle<f32>(a, a, 3, 3, 3, 3)
    c30 = f32x4.add(c30, f32x4.mul(a3, b0))
    c31 = f32x4.add(c31, f32x4.mul(a3, b1))
    ap += 16
    bp += 32
  }
  const scale = f32x4.splat(alpha)
  if (rows == 4 && cols == 8) {
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
  v128.store(spill, f32x4.mul(c00, scale))
  v128.store(spill, f32x4.mul(c01, scale), 16)
  v128.store(spill, f32x4.mul(c10, scale), 32)
  v128.store(spill, f32x4.mul(c11, scale), 48)
  v128.store(spill, f32x4.mul(c20, scale), 64)
  v128.store(spill, f32x4.mul(c21, scale), 80)
  v128.store(spill, f32x4.mul(c30, scale), 96)
  v128.store(spill, f32x4.mul(c31, scale), 112)
  for (let i: usize = 0; i < rows; i++) {
    for (let j: usize = 0; j < cols; j++) {
      const at = c + (j << 2)
      let v = load<f32>(spill + (i << 5) + (j << 2))
      if (isAdding) v = load<f32>(at) + v
      if (bias != 0) v += load<f32>(bias + (j << 2))
      store<f32>(at, v)
    }
    c += ldc
  }
}

/** Strides in elements; bias 0 = none; `scratch` is this worker's own. */
export function product(
  m: usize,
  n: usize,
  k: usize,
  a: usize,
  aRow: usize,
  aCol: usize,
  b: usize,
  bRow: usize,
  bCol: usize,
  c: usize,
  ldc: usize,
  alpha: f32,
  isAccumulating: bool,
  bias: usize,
  scratch: usize
): void {
  aRow <<= 2
  aCol <<= 2
  bRow <<= 2
  bCol <<= 2
  ldc <<= 2
  const packedA = scratch + PACK_B
  const spill = packedA + PACK_A
  if (k == 0) {
    for (let i: usize = 0; i < m; i++) {
      for (let j: usize = 0; j < n; j++) {
        const at = c + i * ldc + (j << 2)
        store<f32>(at, (isAccumulating ? load<f32>(at) : 0) + (bias != 0 ? load<f32>(bias + (j << 2)) : 0))
      }
    }
    return
  }
  for (let jc: usize = 0; jc < n; jc += NC) {
    const nc = min(NC, n - jc)
    for (let pc: usize = 0; pc < k; pc += KC) {
      const kc = min(KC, k - pc)
      const isAdding = isAccumulating || pc > 0
      packB(scratch, b + pc * bRow + jc * bCol, bRow, bCol, nc, kc)
      for (let ic: usize = 0; ic < m; ic += MC) {
        const mc = min(MC, m - ic)
        packA(packedA, a + ic * aRow + pc * aCol, aRow, aCol, mc, kc)
        for (let jr: usize = 0; jr < nc; jr += 8) {
          const columns = min<usize>(8, nc - jr)
          const addend = bias != 0 && pc == 0 ? bias + ((jc + jr) << 2) : 0
          const panel = scratch + ((jr * kc) << 2)
          for (let ir: usize = 0; ir < mc; ir += 4) {
            tile(
              packedA + ((ir * kc) << 2),
              panel,
              kc,
              c + (ic + ir) * ldc + ((jc + jr) << 2),
              ldc,
              alpha,
              isAdding,
              addend,
              min<usize>(4, mc - ir),
              columns,
              spill
            )
          }
        }
      }
    }
  }
}

/** A batch of products; workers share the batch, or else the longer side of C. */
export function gemm(t: usize, threads: usize): void {
  const batch = word(0), m = word(1), n = word(2), k = word(3)
  const a = word(4), aRow = word(5), aCol = word(6), aBatch = word(7) << 2
  const b = word(8), bRow = word(9), bCol = word(10), bBatch = word(11) << 2
  const c = word(12), ldc = word(13), cBatch = word(14) << 2
  const isAccumulating = word(15) != 0, bias = word(16), alpha = float(0)
  const scratch = scratchOf(t)
  let g0: usize = 0, g1 = batch, m0: usize = 0, m1 = m, n0: usize = 0, n1 = n
  if (threads > 1) {
    if (batch >= 2 * threads) {
      g0 = share(batch, t, threads)
      g1 = share(batch, t + 1, threads)
    } else if (n > m) {
      const tiles = (n + 7) >> 3
      n0 = share(tiles, t, threads) << 3
      n1 = min(n, share(tiles, t + 1, threads) << 3)
    } else {
      const tiles = (m + 3) >> 2
      m0 = share(tiles, t, threads) << 2
      m1 = min(m, share(tiles, t + 1, threads) << 2)
    }
  }
  if (m1 <= m0 || n1 <= n0) return
  for (let g = g0; g < g1; g++) {
    product(
      m1 - m0,
      n1 - n0,
      k,
      a + g * aBatch + ((m0 * aRow) << 2),
      aRow,
      aCol,
      b + g * bBatch + ((n0 * bCol) << 2),
      bRow,
      bCol,
      c + g * cBatch + ((m0 * ldc + n0) << 2),
      ldc,
      alpha,
      isAccumulating,
      bias == 0 ? 0 : bias + (n0 << 2),
      scratch
    )
  }
}
