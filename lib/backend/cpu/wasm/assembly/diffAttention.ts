import { clear } from "./attention"
import { allFinite, expRow, hideRow, strideOf } from "./attentionRows"
import { product } from "./gemm"
import { float, scratchOf, share, word } from "./job"
import { exp1, exp4, sum4 } from "./maths"

// Pair j has its maps from heads 2j and 2j + 1 of q and k, and columns 2 Dh j ... of v. Blocks of rows as in attention.ts.

/** a = a inverseA - lambda (b inverseB) for the first `seen` numbers: from exponentials to the difference of the maps. */
function subtractRow(a: usize, b: usize, seen: usize, cols: usize, lambda: f32, statsA: usize, statsB: usize): void {
  const inverseA = load<f32>(statsA, 4), inverseB = load<f32>(statsB, 4)
  const inverseA4 = f32x4.splat(inverseA), inverseB4 = f32x4.splat(inverseB), lambda4 = f32x4.splat(lambda)
  const end = seen << 2
  const body = end & ~15
  let o: usize = 0
  for (; o < body; o += 16) {
    const second = f32x4.mul(v128.load(b + o), inverseB4)
    v128.store(a + o, f32x4.sub(f32x4.mul(v128.load(a + o), inverseA4), f32x4.mul(lambda4, second)))
  }
  for (; o < end; o += 4) {
    store<f32>(a + o, load<f32>(a + o) * inverseA - lambda * (load<f32>(b + o) * inverseB))
  }
  hideRow(a, seen, cols, inverseA + lambda * inverseB)
}

/** From the scores of a row to both maps and their difference, by known statistics. */
function mapsRow(
  a: usize,
  b: usize,
  difference: usize,
  seen: usize,
  cols: usize,
  lambda: f32,
  statsA: usize,
  statsB: usize
): void {
  const topA = load<f32>(statsA), inverseA = load<f32>(statsA, 4)
  const topB = load<f32>(statsB), inverseB = load<f32>(statsB, 4)
  const topA4 = f32x4.splat(topA), inverseA4 = f32x4.splat(inverseA)
  const topB4 = f32x4.splat(topB), inverseB4 = f32x4.splat(inverseB)
  const lambda4 = f32x4.splat(lambda)
  const end = seen << 2
  const body = end & ~15
  let o: usize = 0
  for (; o < body; o += 16) {
    const first = f32x4.mul(exp4(f32x4.sub(v128.load(a + o), topA4)), inverseA4)
    const second = f32x4.mul(exp4(f32x4.sub(v128.load(b + o), topB4)), inverseB4)
    v128.store(a + o, first)
    v128.store(b + o, second)
    v128.store(difference + o, f32x4.sub(first, f32x4.mul(lambda4, second)))
  }
  for (; o < end; o += 4) {
    const first = exp1(load<f32>(a + o) - topA) * inverseA
    const second = exp1(load<f32>(b + o) - topB) * inverseB
    store<f32>(a + o, first)
    store<f32>(b + o, second)
    store<f32>(difference + o, first - lambda * second)
  }
  hideRow(a, seen, cols, inverseA)
  hideRow(b, seen, cols, inverseB)
  hideRow(difference, seen, cols, inverseA + lambda * inverseB)
}

/**
 * The gradients of both softmaxes for one row, in the places of the maps: a = scaleA a (d - sum(d a)), and so for b.
 * Returns sum(d b) in double, this row's part of -dlambda.
 */
function gradRow(d: usize, a: usize, b: usize, cols: usize, scaleA: f32, scaleB: f32): f64 {
  const end = cols << 2
  const body = end & ~15
  let totalA4 = f32x4.splat(0)
  let low = f64x2.splat(0), high = f64x2.splat(0)
  let o: usize = 0
  for (; o < body; o += 16) {
    const grad = v128.load(d + o)
    totalA4 = f32x4.add(totalA4, f32x4.mul(grad, v128.load(a + o)))
    const second = f32x4.mul(grad, v128.load(b + o))
    low = f64x2.add(low, f64x2.promote_low_f32x4(second))
    high = f64x2.add(high, f64x2.promote_low_f32x4(v128.shuffle<f32>(second, second, 2, 3, 2, 3)))
  }
  const both = f64x2.add(low, high)
  let totalA = sum4(totalA4)
  let total = f64x2.extract_lane(both, 0) + f64x2.extract_lane(both, 1)
  for (; o < end; o += 4) {
    const grad = load<f32>(d + o)
    totalA += grad * load<f32>(a + o)
    total += <f64>(grad * load<f32>(b + o))
  }
  const totalB = <f32>total
  const shiftA = f32x4.splat(totalA), shiftB = f32x4.splat(totalB)
  const scaleA4 = f32x4.splat(scaleA), scaleB4 = f32x4.splat(scaleB)
  for (o = 0; o < body; o += 16) {
    const grad = v128.load(d + o)
    v128.store(a + o, f32x4.mul(f32x4.mul(v128.load(a + o), f32x4.sub(grad, shiftA)), scaleA4))
    v128.store(b + o, f32x4.mul(f32x4.mul(v128.load(b + o), f32x4.sub(grad, shiftB)), scaleB4))
  }
  for (; o < end; o += 4) {
    const grad = load<f32>(d + o)
    store<f32>(a + o, load<f32>(a + o) * (grad - totalA) * scaleA)
    store<f32>(b + o, load<f32>(b + o) * (grad - totalB) * scaleB)
  }
  return total
}

/**
 * Words: q, k, v, lambda, out, stats [B, 2 He, N, 2], room [T, 2, R, strideOf(N)], B, N, D, He, R, isCausal;
 * floats: scale.
 */
export function diffAttention(t: usize, T: usize): void {
  const q = word(0), k = word(1), v = word(2), lambda = load<f32>(word(3))
  const n = word(8), d = word(9), pairs = word(10), rows = word(11), isCausal = word(12) != 0, scale = float(0)
  const width = d / pairs
  const half = width / 2
  const ld = strideOf(n)
  const scratch = scratchOf(t)
  const a = word(6) + ((t * 2 * rows * ld) << 2)
  const b = a + ((rows * ld) << 2)
  const blocks = (n + rows - 1) / rows
  const count = word(7) * pairs * blocks
  const to = share(count, t + 1, T)
  let isShort = false
  let known: usize = -1
  for (let unit = share(count, t, T); unit < to; unit++) {
    const i = unit / blocks
    const from = (unit % blocks) * rows
    const size = min(rows, n - from)
    const at = ((i / pairs) * n * d + (i % pairs) * width) << 2
    if (i != known) {
      known = i
      isShort = isCausal && lambda * 0 == 0 && allFinite(v + at, n, width, d)
    }
    const cols = isShort ? from + size : n
    const next = at + (half << 2)
    const down = (from * d) << 2
    product(size, cols, half, q + at + down, d, 1, k + at, 1, d, a, ld, scale, false, 0, scratch)
    product(size, cols, half, q + next + down, d, 1, k + next, 1, d, b, ld, scale, false, 0, scratch)
    for (let r: usize = 0; r < size; r++) {
      const o = (r * ld) << 2
      const statsA = word(5) + ((2 * i * n + from + r) << 3)
      const statsB = statsA + (n << 3)
      const seen = isCausal ? from + r + 1 : n
      expRow(a + o, seen, statsA)
      expRow(b + o, seen, statsB)
      subtractRow(a + o, b + o, seen, cols, lambda, statsA, statsB)
    }
    product(size, width, cols, a, ld, 1, v + at, d, 1, word(4) + at + down, d, 1, false, 0, scratch)
  }
}

/**
 * Words: dy, q, k, v, lambda, stats, dq, dk, dv, sums (a double per pair of heads), room [T, 3, R, strideOf(N)], B, N, D,
 * He, R, isCausal; floats: scale. `sums` are those of dMap * second; dlambda is minus their total.
 */
export function diffAttentionGrad(t: usize, T: usize): void {
  const dy = word(0), q = word(1), k = word(2), v = word(3), lambda = load<f32>(word(4))
  const dq = word(6), dk = word(7), dv = word(8)
  const n = word(12), d = word(13), pairs = word(14), rows = word(15), isCausal = word(16) != 0, scale = float(0)
  // An infinite lambda leaves no gradient of the second map that is a number.
  const scaleB = -scale * (lambda + lambda * 0)
  const width = d / pairs
  const half = width / 2
  const ld = strideOf(n)
  const scratch = scratchOf(t)
  const a = word(10) + ((t * 3 * rows * ld) << 2)
  const b = a + ((rows * ld) << 2)
  const dMap = b + ((rows * ld) << 2) // before that the difference of the maps
  const count = word(11) * pairs
  const to = share(count, t + 1, T)
  for (let i = share(count, t, T); i < to; i++) {
    const at = ((i / pairs) * n * d + (i % pairs) * width) << 2
    const next = at + (half << 2)
    const isShort = isCausal && lambda * 0 == 0 && allFinite(dy + at, n, width, d) && allFinite(q + at, n, width, d) &&
      allFinite(k + at, n, width, d) && allFinite(v + at, n, width, d)
    if (isShort) clear(dk + at, dv + at, n, width, d)
    let total: f64 = 0
    for (let from: usize = 0; from < n; from += rows) {
      const size = min(rows, n - from)
      const cols = isShort ? from + size : n
      const isAdding = isShort || from > 0
      const down = (from * d) << 2
      product(size, cols, half, q + at + down, d, 1, k + at, 1, d, a, ld, scale, false, 0, scratch)
      product(size, cols, half, q + next + down, d, 1, k + next, 1, d, b, ld, scale, false, 0, scratch)
      for (let r: usize = 0; r < size; r++) {
        const o = (r * ld) << 2
        const statsA = word(5) + ((2 * i * n + from + r) << 3)
        mapsRow(a + o, b + o, dMap + o, isCausal ? from + r + 1 : n, cols, lambda, statsA, statsA + (n << 3))
      }
      product(cols, width, size, dMap, 1, ld, dy + at + down, d, 1, dv + at, d, 1, isAdding, 0, scratch)
      product(size, cols, width, dy + at + down, d, 1, v + at, 1, d, dMap, ld, 1, false, 0, scratch)
      for (let r: usize = 0; r < size; r++) {
        const o = (r * ld) << 2
        total += gradRow(dMap + o, a + o, b + o, cols, scale, scaleB)
      }
      product(size, half, cols, a, ld, 1, k + at, d, 1, dq + at + down, d, 1, false, 0, scratch)
      product(cols, half, size, a, 1, ld, q + at + down, d, 1, dk + at, d, 1, isAdding, 0, scratch)
      product(size, half, cols, b, ld, 1, k + next, d, 1, dq + next + down, d, 1, false, 0, scratch)
      product(cols, half, size, b, 1, ld, q + next + down, d, 1, dk + next, d, 1, isAdding, 0, scratch)
    }
    store<f64>(word(9) + (i << 3), total)
  }
}
