// exp, log and the normal tail from + - * / alone: the same bits on every engine.

/** exp of four floats, within 2 ulp; 0 and infinity where they belong, subnormal results rounded once, NaN stays NaN. */
export function exp4(value: v128): v128 {
  // pmin and pmax with the variable first keep NaN.
  const x = f32x4.pmax(f32x4.pmin(value, f32x4.splat(89.0)), f32x4.splat(-104.0))
  const n = f32x4.nearest(f32x4.mul(x, f32x4.splat(1.4426950408889634)))
  // ln 2 in two parts; the first has few bits, so its product with n is exact.
  const r = f32x4.sub(
    f32x4.sub(x, f32x4.mul(n, f32x4.splat(0.693359375))),
    f32x4.mul(n, f32x4.splat(-2.1219444005469057e-4))
  )
  let p = f32x4.splat(EXP_7)
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(EXP_6))
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(EXP_5))
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(EXP_4))
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(EXP_3))
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(0.5))
  p = f32x4.add(f32x4.mul(f32x4.mul(p, r), r), r)
  p = f32x4.add(p, f32x4.splat(1.0))
  // Two factors, because 2^128 and 2^-150 are no normal floats.
  const k = i32x4.trunc_sat_f32x4_s(n)
  const half = i32x4.shr_s(k, 1)
  const rest = i32x4.sub(k, half)
  const bias = i32x4.splat(127)
  return f32x4.mul(
    f32x4.mul(p, i32x4.shl(i32x4.add(half, bias), 23)),
    i32x4.shl(i32x4.add(rest, bias), 23)
  )
}

// Taylor: on |r| <= ln 2 / 2 the first term left out is 5e-9.
const EXP_3: f32 = 1.0 / 6.0
const EXP_4: f32 = 1.0 / 24.0
const EXP_5: f32 = 1.0 / 120.0
const EXP_6: f32 = 1.0 / 720.0
const EXP_7: f32 = 1.0 / 5040.0

@inline export function exp1(x: f32): f32 {
  return f32x4.extract_lane(exp4(f32x4.splat(x)), 0)
}

/** log of a positive finite double; infinity and NaN stay, 0 gives -infinity. */
export function log1(x: f64): f64 {
  if (!(x > 0) || x == Infinity) return x == 0 ? -Infinity : x < 0 ? NaN : x
  // x = m 2^e with m in [sqrt 1/2, sqrt 2); the callers' numbers are sums of floats, so never subnormal doubles
  const bits = reinterpret<u64>(x)
  let e = <i64>(bits >> 52) - 1023
  let m = reinterpret<f64>((bits & 0x000fffffffffffff) | 0x3ff0000000000000)
  if (m > 1.4142135623730951) {
    m *= 0.5
    e += 1
  }
  const s = (m - 1) / (m + 1)
  const z = s * s
  let series = 0.0
  for (let k = 21; k >= 3; k -= 2) series = (series + 1 / <f64>k) * z
  return <f64>e * 0.6931471805599453 + 2 * (s + s * series)
}

/** P(Z > a) for four a >= 0 divided by exp(-a^2 / 2): a polynomial in t = 1 / (1 + TAIL a). */
@inline export function tailOver(a: v128): v128 {
  const t = f32x4.div(f32x4.splat(1), f32x4.add(f32x4.splat(1), f32x4.mul(a, f32x4.splat(TAIL))))
  let q = f32x4.splat(T9)
  q = f32x4.add(f32x4.mul(q, t), f32x4.splat(T8))
  q = f32x4.add(f32x4.mul(q, t), f32x4.splat(T7))
  q = f32x4.add(f32x4.mul(q, t), f32x4.splat(T6))
  q = f32x4.add(f32x4.mul(q, t), f32x4.splat(T5))
  q = f32x4.add(f32x4.mul(q, t), f32x4.splat(T4))
  q = f32x4.add(f32x4.mul(q, t), f32x4.splat(T3))
  q = f32x4.add(f32x4.mul(q, t), f32x4.splat(T2))
  q = f32x4.add(f32x4.mul(q, t), f32x4.splat(T1))
  return f32x4.mul(q, t)
}

// Minimax fit of the tail over 0 <= a <= 13.5, relative error 1.4e-8 before rounding.
const TAIL: f32 = 0.21
const T1: f32 = 0.08370770289312326
const T2: f32 = 0.08512940845009515
const T3: f32 = 0.06879003773922919
const T4: f32 = 0.12635515677939466
const T5: f32 = -0.09724572972130407
const T6: f32 = 0.35403367206897585
const T7: f32 = -0.33418966716516313
const T8: f32 = 0.28545339847717993
const T9: f32 = -0.07203397771350051

@inline export function sum4(v: v128): f32 {
  return (f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 2)) + (f32x4.extract_lane(v, 1) + f32x4.extract_lane(v, 3))
}

@inline export function max4(v: v128): f32 {
  const swapped = f32x4.pmax(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1))
  return f32x4.extract_lane(f32x4.pmax(swapped, v128.shuffle<f32>(swapped, swapped, 1, 0, 3, 2)), 0)
}
