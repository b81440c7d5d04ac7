import { float, scratchOf, share, word } from "./job"
import { product } from "./gemm"
import { softmaxGradRow, softmaxRow } from "./rows"

// q, k, v, out and their gradients are [B, N, D]; head h of q and k owns columns Dh h ..., so a head is a matrix with
// row stride D and nothing is ever transposed or split. Workers share the (picture, head) pairs.

function softmaxMap(map: usize, n: usize, isCausal: bool): void {
  for (let r: usize = 0; r < n; r++) {
    const row = map + ((r * n) << 2)
    softmaxRow(row, row, n, isCausal ? r + 1 : n)
  }
}

function softmaxGradMap(dMap: usize, map: usize, to: usize, n: usize, scale: f32): void {
  for (let r: usize = 0; r < n; r++) {
    const o = (r * n) << 2
    softmaxGradRow(dMap + o, map + o, to + o, n, scale)
  }
}

/** Words: q, k, v, out, maps [B, H, N, N], B, N, D, H, isCausal; floats: scale. */
export function attention(t: usize, T: usize): void {
  const b = word(5), n = word(6), d = word(7), heads = word(8), isCausal = word(9) != 0
  const width = d / heads
  const scratch = scratchOf(t)
  const to = share(b * heads, t + 1, T)
  for (let i = share(b * heads, t, T); i < to; i++) {
    const at = ((i / heads) * n * d + (i % heads) * width) << 2
    const map = word(4) + ((i * n * n) << 2)
    product(n, n, width, word(0) + at, d, 1, word(1) + at, 1, d, map, n, float(0), false, 0, scratch)
    softmaxMap(map, n, isCausal)
    product(n, width, n, map, n, 1, word(2) + at, d, 1, word(3) + at, d, 1, false, 0, scratch)
  }
}

/** Words: dy, q, k, v, maps, dq, dk, dv, room [T, N, N], B, N, D, H; floats: scale. */
export function attentionGrad(t: usize, T: usize): void {
  const dy = word(0), q = word(1), k = word(2), v = word(3)
  const b = word(9), n = word(10), d = word(11), heads = word(12), scale = float(0)
  const width = d / heads
  const scratch = scratchOf(t)
  const dMap = word(8) + ((t * n * n) << 2)
  const to = share(b * heads, t + 1, T)
  for (let i = share(b * heads, t, T); i < to; i++) {
    const at = ((i / heads) * n * d + (i % heads) * width) << 2
    const map = word(4) + ((i * n * n) << 2)
    product(n, width, n, map, 1, n, dy + at, d, 1, word(7) + at, d, 1, false, 0, scratch)
    product(n, n, width, dy + at, d, 1, v + at, 1, d, dMap, n, 1, false, 0, scratch)
    softmaxGradMap(dMap, map, dMap, n, scale)
    product(n, width, n, dMap, n, 1, k + at, d, 1, word(5) + at, d, 1, false, 0, scratch)
    product(n, width, n, dMap, 1, n, q + at, d, 1, word(6) + at, d, 1, false, 0, scratch)
  }
}

/** to = first - lambda second. */
function subtractMaps(first: usize, second: usize, lambda: f32, to: usize, count: usize): void {
  const lambda4 = f32x4.splat(lambda)
  let j: usize = 0
  for (; j + 4 <= count; j += 4) {
    const o = j << 2
    v128.store(to + o, f32x4.sub(v128.load(first + o), f32x4.mul(lambda4, v128.load(second + o))))
  }
  for (; j < count; j++) {
    const o = j << 2
    store<f32>(to + o, load<f32>(first + o) - lambda * load<f32>(second + o))
  }
}

/**
 * Words: q, k, v, lambda, out, first, second [B, He, N, N], room [T, N, N], B, N, D, He, isCausal; floats: scale.
 * Pair j has its maps from heads 2j and 2j + 1 of q and k, and columns 2 Dh j ... of v.
 */
export function diffAttention(t: usize, T: usize): void {
  const q = word(0), k = word(1), lambda = load<f32>(word(3))
  const b = word(8), n = word(9), d = word(10), pairs = word(11), isCausal = word(12) != 0, scale = float(0)
  const width = d / pairs
  const half = width / 2
  const scratch = scratchOf(t)
  const map = word(7) + ((t * n * n) << 2)
  const to = share(b * pairs, t + 1, T)
  for (let i = share(b * pairs, t, T); i < to; i++) {
    const at = ((i / pairs) * n * d + (i % pairs) * width) << 2
    const next = at + (half << 2)
    const first = word(5) + ((i * n * n) << 2), second = word(6) + ((i * n * n) << 2)
    product(n, n, half, q + at, d, 1, k + at, 1, d, first, n, scale, false, 0, scratch)
    product(n, n, half, q + next, d, 1, k + next, 1, d, second, n, scale, false, 0, scratch)
    softmaxMap(first, n, isCausal)
    softmaxMap(second, n, isCausal)
    subtractMaps(first, second, lambda, map, n * n)
    product(n, width, n, map, n, 1, word(2) + at, d, 1, word(4) + at, d, 1, false, 0, scratch)
  }
}

/**
 * Words: dy, q, k, v, lambda, first, second, dq, dk, dv, sums (a double per pair of heads), room [T, 2, N, N], B, N, D,
 * He; floats: scale. `sums` are those of dMap * second; dlambda is minus their total.
 */
export function diffAttentionGrad(t: usize, T: usize): void {
  const dy = word(0), q = word(1), k = word(2), v = word(3), lambda = load<f32>(word(4))
  const dq = word(7), dk = word(8)
  const b = word(12), n = word(13), d = word(14), pairs = word(15), scale = float(0)
  const width = d / pairs
  const half = width / 2
  const scratch = scratchOf(t)
  const map = word(11) + ((t * 2 * n * n) << 2)
  const dMap = map + ((n * n) << 2)
  const to = share(b * pairs, t + 1, T)
  for (let i = share(b * pairs, t, T); i < to; i++) {
    const at = ((i / pairs) * n * d + (i % pairs) * width) << 2
    const next = at + (half << 2)
    const first = word(5) + ((i * n * n) << 2), second = word(6) + ((i * n * n) << 2)
    subtractMaps(first, second, lambda, map, n * n)
    product(n, width, n, map, 1, n, dy + at, d, 1, word(9) + at, d, 1, false, 0, scratch)
    product(n, n, width, dy + at, d, 1, v + at, 1, d, dMap, n, 1, false, 0, scratch)
    let total: f64 = 0
    for (let j: usize = 0; j < n * n; j++) {
      total += <f64>load<f32>(dMap + (j << 2)) * <f64>load<f32>(second + (j << 2))
    }
    store<f64>(word(10) + (i << 3), total)
    softmaxGradMap(dMap, first, map, n, scale)
    product(n, half, n, map, n, 1, k + at, d, 1, dq + at, d, 1, false, 0, scratch)
    product(n, half, n, map, 1, n, q + at, d, 1, dk + at, d, 1, false, 0, scratch)
    softmaxGradMap(dMap, second, map, n, -lambda * scale)
    product(n, half, n, map, n, 1, k + next, d, 1, dq + next, d, 1, false, 0, scratch)
    product(n, half, n, map, 1, n, q + next, d, 1, dk + next, d, 1, false, 0, scratch)
  }
}
