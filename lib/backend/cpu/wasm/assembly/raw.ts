import { CHUNKS, float, share, word } from "./job"

@inline function promoted(x: usize): v128 {
  return f64x2.promote_low_f32x4(v128.load64_zero(x))
}

/** The sum of squares of a piece of an array, in double. */
function squares(x: usize, n: usize): f64 {
  let even = f64x2.splat(0), odd = f64x2.splat(0)
  let i: usize = 0
  for (; i + 4 <= n; i += 4) {
    const a = promoted(x + (i << 2)), b = promoted(x + (i << 2) + 8)
    even = f64x2.add(even, f64x2.mul(a, a))
    odd = f64x2.add(odd, f64x2.mul(b, b))
  }
  const both = f64x2.add(even, odd)
  let total = f64x2.extract_lane(both, 0) + f64x2.extract_lane(both, 1)
  for (; i < n; i++) {
    const a = <f64>load<f32>(x + (i << 2))
    total += a * a
  }
  return total
}

/** Sums of squares of some arrays, one per chunk of each. Words: partials (doubles [arrays, CHUNKS]), arrays, then x, n. */
export function squareChunks(t: usize, T: usize): void {
  const all = word(1) * CHUNKS
  const to = share(all, t + 1, T)
  for (let piece = share(all, t, T); piece < to; piece++) {
    const s = piece / CHUNKS, chunk = piece % CHUNKS
    const x = word(2 + 2 * s), n = word(3 + 2 * s)
    const from = share(n, chunk, CHUNKS)
    store<f64>(word(0) + (piece << 3), squares(x + (from << 2), share(n, chunk + 1, CHUNKS) - from))
  }
}

/** y = the square root of the sum of `count` doubles. Words: partials, count, y. */
export function joinRoot(t: usize, T: usize): void {
  if (t != 0) return
  let total: f64 = 0
  for (let c: usize = 0; c < word(1); c++) total += load<f64>(word(0) + (c << 3))
  store<f32>(word(2), <f32>sqrt<f64>(total))
}

/** x between two bounds; NaN stays. Words: x, y, n; floats: lo, hi. */
export function clamp(t: usize, T: usize): void {
  const n = word(2)
  const to = share(n, t + 1, T)
  for (let i = share(n, t, T); i < to; i++) {
    store<f32>(word(1) + (i << 2), max<f32>(float(0), min<f32>(float(1), load<f32>(word(0) + (i << 2)))))
  }
}
