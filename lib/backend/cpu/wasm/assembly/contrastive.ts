import { float, share, word } from "./job"
import { exp1, exp4, log1 } from "./maths"

// The logits [B, B] never live at once: a block of rows of the products u t^T at a time. Rows of a block belong to one
// thread each, columns too; a column's statistics run over the blocks in order, so threads leave the bits alone.

/** The largest of scale x over a row; NaN when there is one. */
@inline function rowMax(x: usize, cols: usize, scale: f32): f32 {
  const scale4 = f32x4.splat(scale)
  let top4 = f32x4.splat(-Infinity)
  let j: usize = 0
  for (; j + 4 <= cols; j += 4) top4 = f32x4.max(top4, f32x4.mul(v128.load(x + (j << 2)), scale4))
  let top = max<f32>(
    max<f32>(f32x4.extract_lane(top4, 0), f32x4.extract_lane(top4, 1)),
    max<f32>(f32x4.extract_lane(top4, 2), f32x4.extract_lane(top4, 3))
  )
  for (; j < cols; j++) top = max<f32>(top, load<f32>(x + (j << 2)) * scale)
  return top
}

@inline function lowHalf(v: v128): v128 {
  return f64x2.promote_low_f32x4(v)
}

@inline function highHalf(v: v128): v128 {
  return f64x2.promote_low_f32x4(v128.shuffle<f32>(v, v, 2, 3, 2, 3))
}

/** The sum of exp(scale x - top) over a row, in double. */
@inline function sumExp(x: usize, cols: usize, scale: f32, top: f32): f64 {
  const shift = f32x4.splat(top), scale4 = f32x4.splat(scale)
  let low = f64x2.splat(0), high = f64x2.splat(0)
  let j: usize = 0
  for (; j + 4 <= cols; j += 4) {
    const e = exp4(f32x4.sub(f32x4.mul(v128.load(x + (j << 2)), scale4), shift))
    low = f64x2.add(low, lowHalf(e))
    high = f64x2.add(high, highHalf(e))
  }
  const both = f64x2.add(low, high)
  let total = f64x2.extract_lane(both, 0) + f64x2.extract_lane(both, 1)
  for (; j < cols; j++) total += <f64>exp1(load<f32>(x + (j << 2)) * scale - top)
  return total
}

/**
 * The image side of one block: maximum and sum of exponentials of each row of logits, its cross-entropy, whether its
 * first maximum is on the diagonal, and the diagonal's logit.
 * Words: products [rows, B], rows, B, first row, maxima, sums, losses, hits, own (each [B]); floats: scale.
 */
export function contrastiveRows(t: usize, T: usize): void {
  const rows = word(1), b = word(2), first = word(3), scale = float(0)
  const to = share(rows, t + 1, T)
  for (let r = share(rows, t, T); r < to; r++) {
    const row = word(0) + ((r * b) << 2)
    const i = first + r, o = i << 2
    const own = load<f32>(row + o) * scale
    const top = rowMax(row, b, scale)
    let isHit = own == top
    for (let j: usize = 0; isHit && j < i; j++) isHit = load<f32>(row + (j << 2)) * scale != top
    const total = sumExp(row, b, scale, top)
    store<f32>(word(4) + o, top)
    store<f32>(word(5) + o, <f32>total)
    store<f32>(word(6) + o, <f32>(log1(total) - (<f64>own - <f64>top)))
    store<f32>(word(7) + o, isHit ? 1 : 0)
    store<f32>(word(8) + o, own)
  }
}

@inline function shiftOf4(top: v128): v128 {
  // A column without a number above -infinity so far: its exponentials are 0, not NaN.
  return v128.bitselect(f32x4.splat(0), top, f32x4.eq(top, f32x4.splat(-Infinity)))
}

@inline function shiftOf1(top: f32): f32 {
  return top == -Infinity ? 0 : top
}

/**
 * The text side of one block: maxima and sums of the columns, carried from block to block; with the last block their
 * cross-entropies. Words: products [rows, B], rows, B, first row, maxima, sums, losses, own (each [B]), running sums
 * (doubles [B]), next maxima [B]; floats: scale.
 */
export function contrastiveColumns(t: usize, T: usize): void {
  const rows = word(1), b = word(2), first = word(3), scale = float(0)
  const maxima = word(4), running = word(8), next = word(9)
  const fours = (b + 3) >> 2
  const from = share(fours, t, T) << 2, to = min(b, share(fours, t + 1, T) << 2)
  const whole = from + ((to - from) & ~3)
  const scale4 = f32x4.splat(scale)
  if (first == 0) {
    for (let j = from; j < to; j++) {
      store<f32>(maxima + (j << 2), -Infinity)
      store<f64>(running + (j << 3), 0)
    }
  }
  for (let j = from; j < to; j++) store<f32>(next + (j << 2), load<f32>(maxima + (j << 2)))
  for (let r: usize = 0; r < rows; r++) {
    const row = word(0) + ((r * b) << 2)
    let j = from
    for (; j < whole; j += 4) {
      const o = j << 2
      v128.store(next + o, f32x4.max(v128.load(next + o), f32x4.mul(v128.load(row + o), scale4)))
    }
    for (; j < to; j++) {
      const o = j << 2
      store<f32>(next + o, max<f32>(load<f32>(next + o), load<f32>(row + o) * scale))
    }
  }
  for (let j = from; j < to; j++) {
    const top = load<f32>(next + (j << 2)), sum = running + (j << 3)
    store<f64>(sum, load<f64>(sum) * <f64>exp1(load<f32>(maxima + (j << 2)) - shiftOf1(top)))
    store<f32>(maxima + (j << 2), top)
  }
  for (let r: usize = 0; r < rows; r++) {
    const row = word(0) + ((r * b) << 2)
    let j = from
    for (; j < whole; j += 4) {
      const o = j << 2, sum = running + (j << 3)
      const e = exp4(f32x4.sub(f32x4.mul(v128.load(row + o), scale4), shiftOf4(v128.load(maxima + o))))
      v128.store(sum, f64x2.add(v128.load(sum), lowHalf(e)))
      v128.store(sum + 16, f64x2.add(v128.load(sum + 16), highHalf(e)))
    }
    for (; j < to; j++) {
      const e = exp1(load<f32>(row + (j << 2)) * scale - shiftOf1(load<f32>(maxima + (j << 2))))
      store<f64>(running + (j << 3), load<f64>(running + (j << 3)) + <f64>e)
    }
  }
  if (first + rows < b) return
  for (let j = from; j < to; j++) {
    const total = load<f64>(running + (j << 3)), o = j << 2
    store<f32>(word(5) + o, <f32>total)
    store<f32>(word(6) + o, <f32>(log1(total) - (<f64>load<f32>(word(7) + o) - <f64>load<f32>(maxima + o))))
  }
}

/**
 * The gradients of one block's logits, from both sides' statistics. Image side (softmax - 1) / 2B and text side, summed
 * in place of the products where `text` is 0, else the image side there and the text side at `text`; and for each row
 * the sum of products times both sides. Words: products [rows, B], text, rows, B, first row, row maxima, row sums,
 * column maxima, column sums, dots (doubles [B]); floats: scale.
 */
export function contrastiveWeights(t: usize, T: usize): void {
  const text = word(1), rows = word(2), b = word(3), first = word(4), scale = float(0)
  const tops = word(7), totals = word(8)
  const part: f32 = 1 / (2 * <f32>b)
  const scale4 = f32x4.splat(scale), part4 = f32x4.splat(part)
  const to = share(rows, t + 1, T)
  for (let r = share(rows, t, T); r < to; r++) {
    const row = word(0) + ((r * b) << 2), other = text + ((r * b) << 2)
    const i = first + r
    const top = load<f32>(word(5) + (i << 2)), total = load<f32>(word(6) + (i << 2))
    const top4 = f32x4.splat(top), inverse4 = f32x4.splat(1 / total)
    // The diagonal, before its product is overwritten.
    const own = load<f32>(row + (i << 2))
    const ownP = (exp1(own * scale - top) * (1 / total) - 1) * part
    const ownQ = (exp1(own * scale - load<f32>(tops + (i << 2))) / load<f32>(totals + (i << 2)) - 1) * part
    let low = f64x2.splat(0), high = f64x2.splat(0)
    let j: usize = 0
    for (; j + 4 <= b; j += 4) {
      const o = j << 2
      const x = v128.load(row + o)
      const logits = f32x4.mul(x, scale4)
      const p = f32x4.mul(f32x4.mul(exp4(f32x4.sub(logits, top4)), inverse4), part4)
      const q = f32x4.mul(f32x4.div(exp4(f32x4.sub(logits, v128.load(tops + o))), v128.load(totals + o)), part4)
      const both = f32x4.add(p, q)
      low = f64x2.add(low, f64x2.mul(lowHalf(both), lowHalf(x)))
      high = f64x2.add(high, f64x2.mul(highHalf(both), highHalf(x)))
      if (text == 0) v128.store(row + o, both)
      else {
        v128.store(row + o, p)
        v128.store(other + o, q)
      }
    }
    const sums = f64x2.add(low, high)
    let dot = f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1)
    for (; j < b; j++) {
      const o = j << 2
      const x = load<f32>(row + o)
      const p = exp1(x * scale - top) * (1 / total) * part
      const q = exp1(x * scale - load<f32>(tops + o)) / load<f32>(totals + o) * part
      dot += <f64>(p + q) * <f64>x
      if (text == 0) store<f32>(row + o, p + q)
      else {
        store<f32>(row + o, p)
        store<f32>(other + o, q)
      }
    }
    const o = i << 2
    const before = text == 0 ? load<f32>(row + o) : load<f32>(row + o) + load<f32>(other + o)
    dot += (<f64>(ownP + ownQ) - <f64>before) * <f64>own
    if (text == 0) store<f32>(row + o, ownP + ownQ)
    else {
      store<f32>(row + o, ownP)
      store<f32>(other + o, ownQ)
    }
    store<f64>(word(9) + (i << 3), dot)
  }
}
