import { blasShares, blasStart, isForBlas, throughBlas } from "./blas"
import { float, scratchOf, share, word } from "./job"
import { packA, packB } from "./pack"
import { tile, TILE_LANES, TILE_WIDE, tileOfLanes, tileOfLoads, wideTile } from "./tile"

// C [M, N] (=, +=) alpha A B (+ bias). K is cut in blocks of KC in ascending order and never over workers: tile, blocks
// of rows and columns and number of workers leave the bits alone.

const KC: usize = 256
/** A multiple of 8 and 12, below SCRATCH_BYTES of layout.ts. */
const NC: usize = 1008
/** A multiple of 4 and 3. */
const MC: usize = 48
const PACK_B: usize = KC * NC * 4
const PACK_A: usize = (MC / 3) * 4 * KC * 4

/** Which tile suits m x n: near the edges of a small product a narrow one wastes less. */
@inline function tileFor(m: usize, n: usize): i32 {
  if (tile != TILE_WIDE) return tile
  const wide = (m + 2) / 3 * 3 * ((n + 11) / 12 * 12)
  const narrow = ((m + 3) & ~3) * ((n + 7) & ~7)
  return narrow + (narrow >> 4) < wide ? 1 : TILE_WIDE
}

/** C without a single product: what was there, the bias, or zeros. ldc in bytes. */
function empty(m: usize, n: usize, c: usize, ldc: usize, isAccumulating: bool, bias: usize): void {
  for (let i: usize = 0; i < m; i++) {
    for (let j: usize = 0; j < n; j++) {
      const at = c + i * ldc + (j << 2)
      store<f32>(at, (isAccumulating ? load<f32>(at) : 0) + (bias != 0 ? load<f32>(bias + (j << 2)) : 0))
    }
  }
}

/** The product by our own tiles. Strides in elements. */
function byTiles(
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
  if (k == 0) return empty(m, n, c, ldc, isAccumulating, bias)
  const packedA = scratch + PACK_B
  const spill = packedA + PACK_A
  const chosen = tileFor(m, n)
  const height: usize = chosen == TILE_WIDE ? 3 : 4
  const width: usize = chosen == TILE_WIDE ? 12 : 8
  for (let jc: usize = 0; jc < n; jc += NC) {
    const nc = min(NC, n - jc)
    for (let pc: usize = 0; pc < k; pc += KC) {
      const kc = min(KC, k - pc)
      const isAdding = isAccumulating || pc > 0
      packB(scratch, b + pc * bRow + jc * bCol, bRow, bCol, nc, kc, width)
      for (let ic: usize = 0; ic < m; ic += MC) {
        const mc = min(MC, m - ic)
        packA(packedA, a + ic * aRow + pc * aCol, aRow, aCol, mc, kc, height)
        for (let jr: usize = 0; jr < nc; jr += width) {
          const cols = min(width, nc - jr)
          const addend = bias != 0 && pc == 0 ? bias + ((jc + jr) << 2) : 0
          const bp = scratch + ((jr * kc) << 2)
          let ap = packedA
          let at = c + ic * ldc + ((jc + jr) << 2)
          for (let ir: usize = 0; ir < mc; ir += height) {
            const rows = min(height, mc - ir)
            if (chosen == TILE_WIDE) {
              wideTile(ap, bp, 48, kc, at, ldc, alpha, isAdding, addend, rows, cols, spill)
            } else if (chosen == TILE_LANES) {
              tileOfLanes(ap, bp, 32, kc, at, ldc, alpha, isAdding, addend, rows, cols, spill)
            } else {
              tileOfLoads(ap, bp, 32, kc, at, ldc, alpha, isAdding, addend, rows, cols, spill)
            }
            ap += kc << 4
            at += height * ldc
          }
        }
      }
    }
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
  if (isForBlas(m, n, k, aRow, aCol, bRow, bCol, ldc)) {
    throughBlas(m, n, k, a, aRow, aCol, b, bRow, bCol, c, ldc, alpha, isAccumulating, bias)
  } else {
    byTiles(m, n, k, a, aRow, aCol, b, bRow, bCol, c, ldc, alpha, isAccumulating, bias, scratch)
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
  const isBlas = isForBlas(m, n, k, aRow, aCol, bRow, bCol, ldc)
  let g0: usize = 0, g1 = batch, m0: usize = 0, m1 = m, n0: usize = 0, n1 = n
  if (isBlas ? batch > 1 : batch >= 4 * threads || batch % threads == 0) {
    g0 = share(batch, t, threads)
    g1 = share(batch, t + 1, threads)
  } else if (isBlas) {
    const shares = blasShares(m, n, k, threads)
    for (let s = t; s < shares; s += threads) {
      const from = blasStart(m, s, shares), rows = blasStart(m, s + 1, shares) - from
      const ag = a + ((from * aRow) << 2), cg = c + ((from * ldc) << 2)
      throughBlas(rows, n, k, ag, aRow, aCol, b, bRow, bCol, cg, ldc, alpha, isAccumulating, bias)
    }
    return
  } else if (n > m) {
    // Whole tiles of either width, where there are enough of them.
    const grain: usize = n < 96 * threads ? 8 : 24
    const tiles = (n + grain - 1) / grain
    n0 = min(n, share(tiles, t, threads) * grain)
    n1 = min(n, share(tiles, t + 1, threads) * grain)
  } else {
    const tiles = (m + 11) / 12
    m0 = min(m, share(tiles, t, threads) * 12)
    m1 = min(m, share(tiles, t + 1, threads) * 12)
  }
  if (m1 <= m0 || n1 <= n0) return
  for (let g = g0; g < g1; g++) {
    const ag = a + g * aBatch + ((m0 * aRow) << 2)
    const bg = b + g * bBatch + ((n0 * bCol) << 2)
    const cg = c + g * cBatch + ((m0 * ldc + n0) << 2)
    if (isBlas) {
      throughBlas(m, n, k, ag, aRow, aCol, bg, bRow, bCol, cg, ldc, alpha, isAccumulating, bias)
    } else {
      const addend = bias == 0 ? 0 : bias + (n0 << 2)
      byTiles(m1 - m0, n1 - n0, k, ag, aRow, aCol, bg, bRow, bCol, cg, ldc, alpha, isAccumulating, addend, scratch)
    }
  }
}
