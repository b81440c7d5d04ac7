import { float, share, word } from "./job"

@inline function load1(x: usize): v128 {
  return f32x4.splat(load<f32>(x))
}

@inline function first(v: v128): f32 {
  return f32x4.extract_lane(v, 0)
}

// Moments of numbers whose gradient stays 0 (rows of words that do not come) end as subnormal floats, and m stays one:
// 0.9 times a few units rounds to itself. Where all numbers are, the pass takes 2 to 2.5 times as long in cache. They are
// kept: at most the embedding's share of an update that is some hundredth of a step; torch keeps them too.

/**
 * AdamW on some arrays, in place; threads share each of them. Words: how many, then p, g, m, v, n of each. Floats: beta1,
 * 1 - beta1, beta2, 1 - beta2, 1 / sqrt(1 - beta2^t), eps, 1 - lr wd, lr / (1 - beta1^t).
 */
export function adamW(t: usize, T: usize): void {
  const b1 = f32x4.splat(float(0)), c1 = f32x4.splat(float(1)), b2 = f32x4.splat(float(2)), c2 = f32x4.splat(float(3))
  const root = f32x4.splat(float(4)), eps = f32x4.splat(float(5)), keep = f32x4.splat(float(6)), rate = f32x4.splat(float(7))
  for (let s: usize = 0; s < word(0); s++) {
    const p = word(1 + 5 * s), g = word(2 + 5 * s), m = word(3 + 5 * s), v = word(4 + 5 * s), n = word(5 + 5 * s)
    const fours = (n + 3) >> 2
    const end = min(n, share(fours, t + 1, T) << 2) << 2
    let o = share(fours, t, T) << 4
    for (; o + 16 <= end; o += 16) {
      const grad = v128.load(g + o)
      const mean = f32x4.add(f32x4.mul(v128.load(m + o), b1), f32x4.mul(grad, c1))
      const square = f32x4.add(f32x4.mul(v128.load(v + o), b2), f32x4.mul(f32x4.mul(grad, grad), c2))
      const denominator = f32x4.add(f32x4.mul(f32x4.sqrt(square), root), eps)
      const decayed = f32x4.mul(v128.load(p + o), keep)
      v128.store(p + o, f32x4.sub(decayed, f32x4.mul(f32x4.div(mean, denominator), rate)))
      v128.store(m + o, mean)
      v128.store(v + o, square)
    }
    for (; o < end; o += 4) {
      const grad = load1(g + o)
      const mean = f32x4.add(f32x4.mul(load1(m + o), b1), f32x4.mul(grad, c1))
      const square = f32x4.add(f32x4.mul(load1(v + o), b2), f32x4.mul(f32x4.mul(grad, grad), c2))
      const denominator = f32x4.add(f32x4.mul(f32x4.sqrt(square), root), eps)
      const decayed = f32x4.mul(load1(p + o), keep)
      store<f32>(p + o, first(f32x4.sub(decayed, f32x4.mul(f32x4.div(mean, denominator), rate))))
      store<f32>(m + o, first(mean))
      store<f32>(v + o, first(square))
    }
  }
}
