import { float, share, word } from "./job"

/**
 * Words: p, g, m, v, p', m', v', n. Floats: beta1, 1 - beta1, beta2, 1 - beta2, 1 / sqrt(1 - beta2^t), eps,
 * 1 - lr wd, lr / (1 - beta1^t).
 */
export function adamW(t: usize, T: usize): void {
  const p = word(0), g = word(1), m = word(2), v = word(3), newP = word(4), newM = word(5), newV = word(6), n = word(7)
  const fours = (n + 3) >> 2
  const to = min(n, share(fours, t + 1, T) << 2)
  const b1 = f32x4.splat(float(0)), c1 = f32x4.splat(float(1)), b2 = f32x4.splat(float(2)), c2 = f32x4.splat(float(3))
  const root = f32x4.splat(float(4)), eps = f32x4.splat(float(5)), keep = f32x4.splat(float(6)), rate = f32x4.splat(float(7))
  let i = share(fours, t, T) << 2
  for (; i < to; i += 4) {
    const o = i << 2
    // The last few numbers of an array go through the same instructions one by one.
    const isWhole = i + 4 <= to
    const left: usize = isWhole ? 1 : to - i
    for (let k: usize = 0; k < left; k++) {
      const at = o + (k << 2)
      const grad = isWhole ? v128.load(g + at) : f32x4.splat(load<f32>(g + at))
      const mean = f32x4.add(
        f32x4.mul(isWhole ? v128.load(m + at) : f32x4.splat(load<f32>(m + at)), b1),
        f32x4.mul(grad, c1)
      )
      const square = f32x4.add(
        f32x4.mul(isWhole ? v128.load(v + at) : f32x4.splat(load<f32>(v + at)), b2),
        f32x4.mul(f32x4.mul(grad, grad), c2)
      )
      const denominator = f32x4.add(f32x4.mul(f32x4.sqrt(square), root), eps)
      const decayed = f32x4.mul(isWhole ? v128.load(p + at) : f32x4.splat(load<f32>(p + at)), keep)
      const updated = f32x4.sub(decayed, f32x4.mul(f32x4.div(mean, denominator), rate))
      if (isWhole) {
        v128.store(newP + at, updated)
        v128.store(newM + at, mean)
        v128.store(newV + at, square)
      } else {
        store<f32>(newP + at, f32x4.extract_lane(updated, 0))
        store<f32>(newM + at, f32x4.extract_lane(mean, 0))
        store<f32>(newV + at, f32x4.extract_lane(square, 0))
      }
    }
  }
}
