import { share, word } from "./job"
import { exp1, exp4, max4, sum4 } from "./maths"

/** The largest of the first `seen` numbers; NaN is passed over, since the sum of the exponentials will have it. */
export function topOf(x: usize, seen: usize): f32 {
  const end = seen << 2
  const body = end & ~15
  let top4 = f32x4.splat(-Infinity)
  let o: usize = 0
  for (; o < body; o += 16) top4 = f32x4.pmax(top4, v128.load(x + o))
  let top = max4(top4)
  for (; o < end; o += 4) {
    const v = load<f32>(x + o)
    if (v > top) top = v
  }
  return top
}

/** Softmax of the first `seen` of `cols` numbers, zeros after them; x and y may be one place. NaN makes the row NaN. */
export function softmaxRow(x: usize, y: usize, cols: usize, seen: usize): void {
  const top = topOf(x, seen)
  const end = seen << 2
  const body = end & ~15
  const shift = f32x4.splat(top)
  let total4 = f32x4.splat(0)
  let o: usize = 0
  for (; o < body; o += 16) {
    const e = exp4(f32x4.sub(v128.load(x + o), shift))
    total4 = f32x4.add(total4, e)
    v128.store(y + o, e)
  }
  let total = sum4(total4)
  for (; o < end; o += 4) {
    const e = exp1(load<f32>(x + o) - top)
    total += e
    store<f32>(y + o, e)
  }
  const inverse: f32 = 1 / total
  const inverse4 = f32x4.splat(inverse)
  for (o = 0; o < body; o += 16) v128.store(y + o, f32x4.mul(v128.load(y + o), inverse4))
  for (; o < end; o += 4) store<f32>(y + o, load<f32>(y + o) * inverse)
  if (seen < cols) memory.fill(y + end, 0, (cols - seen) << 2)
}

/** dx = scale y (dy - sum(dy y)) for one row; dx may be the place of dy. */
export function softmaxGradRow(dy: usize, y: usize, dx: usize, cols: usize, scale: f32): void {
  const end = cols << 2
  const body = end & ~15
  let total4 = f32x4.splat(0)
  let o: usize = 0
  for (; o < body; o += 16) total4 = f32x4.add(total4, f32x4.mul(v128.load(dy + o), v128.load(y + o)))
  let total = sum4(total4)
  for (; o < end; o += 4) total += load<f32>(dy + o) * load<f32>(y + o)
  const shift = f32x4.splat(total)
  const scale4 = f32x4.splat(scale)
  for (o = 0; o < body; o += 16) {
    const centred = f32x4.sub(v128.load(dy + o), shift)
    v128.store(dx + o, f32x4.mul(f32x4.mul(v128.load(y + o), centred), scale4))
  }
  for (; o < end; o += 4) store<f32>(dx + o, load<f32>(y + o) * (load<f32>(dy + o) - total) * scale)
}

/** Words: x, y, rows, cols, isCausal, rowsPerMap. */
export function softmax(t: usize, T: usize): void {
  const x = word(0), y = word(1), rows = word(2), cols = word(3), perMap = word(5)
  const isCausal = word(4) != 0
  const to = share(rows, t + 1, T)
  for (let r = share(rows, t, T); r < to; r++) {
    const o = (r * cols) << 2
    softmaxRow(x + o, y + o, cols, isCausal ? min(cols, (r % perMap) + 1) : cols)
  }
}

/** Words: dy, y, dx, rows, cols. */
export function softmaxGrad(t: usize, T: usize): void {
  const dy = word(0), y = word(1), dx = word(2), rows = word(3), cols = word(4)
  const to = share(rows, t + 1, T)
  for (let r = share(rows, t, T); r < to; r++) {
    const o = (r * cols) << 2
    softmaxGradRow(dy + o, y + o, dx + o, cols, 1)
  }
}
