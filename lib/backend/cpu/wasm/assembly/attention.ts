import { allFinite, expRow, mapRow, normalizeRow, strideOf } from "./attentionRows"
import { product } from "./gemm"
import { float, scratchOf, share, word } from "./job"
import { softmaxGradRow } from "./rows"

// q, k, v, out and their gradients are [B, N, D]; head h of q and k owns columns Dh h ..., so a head is a matrix with
// row stride D and nothing is ever transposed or split. A map exists for a block of its rows only: backward makes it
// again from the scores and the statistics of its rows. A causal block ends at the column of its last row, unless
// something is not finite: 0 times that is NaN, which must spread as it does without blocks.

/** Words: q, k, v, out, stats [B, H, N, 2], room [T, R, strideOf(N)], B, N, D, H, R, isCausal; floats: scale. */
export function attention(t: usize, T: usize): void {
  const n = word(7), d = word(8), heads = word(9), rows = word(10), isCausal = word(11) != 0
  const width = d / heads
  const ld = strideOf(n)
  const scratch = scratchOf(t)
  const map = word(5) + ((t * rows * ld) << 2)
  const blocks = (n + rows - 1) / rows
  const count = word(6) * heads * blocks
  const to = share(count, t + 1, T)
  let isShort = false
  let known: usize = -1
  for (let unit = share(count, t, T); unit < to; unit++) {
    const i = unit / blocks
    const from = (unit % blocks) * rows
    const size = min(rows, n - from)
    const at = ((i / heads) * n * d + (i % heads) * width) << 2
    if (i != known) {
      known = i
      isShort = isCausal && allFinite(word(2) + at, n, width, d)
    }
    const cols = isShort ? from + size : n
    const first = at + ((from * d) << 2)
    product(size, cols, width, word(0) + first, d, 1, word(1) + at, 1, d, map, ld, float(0), false, 0, scratch)
    for (let r: usize = 0; r < size; r++) {
      const row = map + ((r * ld) << 2)
      const stats = word(4) + ((i * n + from + r) << 3)
      const seen = isCausal ? from + r + 1 : n
      expRow(row, seen, stats)
      normalizeRow(row, seen, cols, stats)
    }
    product(size, width, cols, map, ld, 1, word(2) + at, d, 1, word(3) + first, d, 1, false, 0, scratch)
  }
}

/** Words: dy, q, k, v, stats, dq, dk, dv, room [T, 2, R, strideOf(N)], B, N, D, H, R, isCausal; floats: scale. */
export function attentionGrad(t: usize, T: usize): void {
  const dy = word(0), q = word(1), k = word(2), v = word(3), dq = word(5), dk = word(6), dv = word(7)
  const n = word(10), d = word(11), heads = word(12), rows = word(13), isCausal = word(14) != 0, scale = float(0)
  const width = d / heads
  const ld = strideOf(n)
  const scratch = scratchOf(t)
  const map = word(8) + ((t * 2 * rows * ld) << 2)
  const dMap = map + ((rows * ld) << 2)
  const count = word(9) * heads
  const to = share(count, t + 1, T)
  for (let i = share(count, t, T); i < to; i++) {
    const at = ((i / heads) * n * d + (i % heads) * width) << 2
    const isShort = isCausal && allFinite(dy + at, n, width, d) && allFinite(q + at, n, width, d) &&
      allFinite(k + at, n, width, d) && allFinite(v + at, n, width, d)
    if (isShort) clear(dk + at, dv + at, n, width, d)
    for (let from: usize = 0; from < n; from += rows) {
      const size = min(rows, n - from)
      const cols = isShort ? from + size : n
      const isAdding = isShort || from > 0
      const first = at + ((from * d) << 2)
      product(size, cols, width, q + first, d, 1, k + at, 1, d, map, ld, scale, false, 0, scratch)
      for (let r: usize = 0; r < size; r++) {
        const stats = word(4) + ((i * n + from + r) << 3)
        mapRow(map + ((r * ld) << 2), isCausal ? from + r + 1 : n, cols, stats)
      }
      product(cols, width, size, map, 1, ld, dy + first, d, 1, dv + at, d, 1, isAdding, 0, scratch)
      product(size, cols, width, dy + first, d, 1, v + at, 1, d, dMap, ld, 1, false, 0, scratch)
      for (let r: usize = 0; r < size; r++) {
        const o = (r * ld) << 2
        softmaxGradRow(dMap + o, map + o, dMap + o, cols, scale)
      }
      product(size, width, cols, dMap, ld, 1, k + at, d, 1, dq + first, d, 1, false, 0, scratch)
      product(cols, width, size, dMap, 1, ld, q + first, d, 1, dk + at, d, 1, isAdding, 0, scratch)
    }
  }
}

/** Zeros in two matrices with row stride d, for sums over blocks that do not all reach every row. */
export function clear(a: usize, b: usize, rows: usize, cols: usize, d: usize): void {
  for (let r: usize = 0; r < rows; r++) {
    const o = (r * d) << 2
    memory.fill(a + o, 0, cols << 2)
    memory.fill(b + o, 0, cols << 2)
  }
}
