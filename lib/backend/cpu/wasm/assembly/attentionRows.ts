import { exp1, exp4, sum4 } from "./maths"
import { topOf } from "./rows"

// Passes over the rows of a block of scores, shared by attention and differential attention. Row r of a causal map sees
// its first `seen` columns. Statistics of a row: its maximum and 1 / sum(exp(x - maximum)), from which the backward pass
// makes the map again, to the bit.

/** How many floats lie between the rows of a block of maps: rows start at a cache line. layout.ts has it too. */
@inline export function strideOf(n: usize): usize {
  return (n + 15) & ~15
}

/** Whether all numbers of a matrix are finite: 0 times any other is NaN. `ld` in elements. */
export function allFinite(x: usize, rows: usize, cols: usize, ld: usize): bool {
  const zero = f32x4.splat(0)
  const end = cols << 2
  const body = end & ~15
  let total4 = f32x4.splat(0)
  let total: f32 = 0
  for (let r: usize = 0; r < rows; r++) {
    let o: usize = 0
    for (; o < body; o += 16) total4 = f32x4.add(total4, f32x4.mul(v128.load(x + o), zero))
    for (; o < end; o += 4) total += load<f32>(x + o) * 0
    x += ld << 2
  }
  return sum4(total4) + total == 0
}

/** x = exp(x - maximum) for the first `seen` numbers; stores the row's statistics. */
export function expRow(x: usize, seen: usize, stats: usize): void {
  const top = topOf(x, seen)
  const top4 = f32x4.splat(top)
  const end = seen << 2
  const body = end & ~15
  let total4 = f32x4.splat(0)
  let o: usize = 0
  for (; o < body; o += 16) {
    const e = exp4(f32x4.sub(v128.load(x + o), top4))
    total4 = f32x4.add(total4, e)
    v128.store(x + o, e)
  }
  let total = sum4(total4)
  for (; o < end; o += 4) {
    const e = exp1(load<f32>(x + o) - top)
    total += e
    store<f32>(x + o, e)
  }
  store<f32>(stats, top)
  store<f32>(stats, 1 / total, 4)
}

/** What stands behind the first `seen` of `cols` numbers: zeros, and NaN in a row that is NaN. */
@inline export function hideRow(x: usize, seen: usize, cols: usize, inverse: f32): void {
  const hidden = inverse * 0
  for (let j = seen; j < cols; j++) store<f32>(x + (j << 2), hidden)
}

/** From exponentials to the map: x = x inverse for the first `seen` numbers, nothing behind them. */
export function normalizeRow(x: usize, seen: usize, cols: usize, stats: usize): void {
  const inverse = load<f32>(stats, 4)
  const inverse4 = f32x4.splat(inverse)
  const end = seen << 2
  const body = end & ~15
  let o: usize = 0
  for (; o < body; o += 16) v128.store(x + o, f32x4.mul(v128.load(x + o), inverse4))
  for (; o < end; o += 4) store<f32>(x + o, load<f32>(x + o) * inverse)
  hideRow(x, seen, cols, inverse)
}

/** From scores to the map by known statistics: x = exp(x - maximum) inverse. */
export function mapRow(x: usize, seen: usize, cols: usize, stats: usize): void {
  const top = load<f32>(stats), inverse = load<f32>(stats, 4)
  const top4 = f32x4.splat(top), inverse4 = f32x4.splat(inverse)
  const end = seen << 2
  const body = end & ~15
  let o: usize = 0
  for (; o < body; o += 16) v128.store(x + o, f32x4.mul(exp4(f32x4.sub(v128.load(x + o), top4)), inverse4))
  for (; o < end; o += 4) store<f32>(x + o, exp1(load<f32>(x + o) - top) * inverse)
  hideRow(x, seen, cols, inverse)
}
