import { float, word } from "./job"
import { exp1 } from "./maths"

@inline function dot(a: usize, b: usize, n: usize): f32 {
  let total: f64 = 0
  for (let i: usize = 0; i < n; i++) total += <f64>load<f32>(a + (i << 2)) * <f64>load<f32>(b + (i << 2))
  return <f32>total
}

/** exp(q1 . k1) - exp(q2 . k2) + init. Words: q1, k1, q2, k2, lambda, first, second, n; floats: init. */
export function lambda(t: usize, T: usize): void {
  if (t != 0) return
  const n = word(7)
  const first = exp1(dot(word(0), word(1), n)), second = exp1(dot(word(2), word(3), n))
  store<f32>(word(4), first - second + float(0))
  store<f32>(word(5), first)
  store<f32>(word(6), second)
}

@inline function scaled(x: usize, y: usize, n: usize, factor: f32): void {
  for (let i: usize = 0; i < n; i++) store<f32>(y + (i << 2), load<f32>(x + (i << 2)) * factor)
}

/** Words: dy, q1, k1, q2, k2, first, second, dq1, dk1, dq2, dk2, n. */
export function lambdaGrad(t: usize, T: usize): void {
  if (t != 0) return
  const dy = load<f32>(word(0)), n = word(11)
  const up = dy * load<f32>(word(5)), down = -(dy * load<f32>(word(6)))
  scaled(word(2), word(7), n, up)
  scaled(word(1), word(8), n, up)
  scaled(word(4), word(9), n, down)
  scaled(word(3), word(10), n, down)
}
