import { CHUNKS, float, share, word } from "./job"
import { sum4 } from "./maths"

/** Sums over rows, a partial sum for each of CHUNKS chunks of rows. Words: x, partials [CHUNKS, cols], rows, cols. */
export function columnSums(t: usize, T: usize): void {
  const rows = word(2), cols = word(3), bytes = cols << 2
  const lastChunk = share(CHUNKS, t + 1, T)
  for (let chunk = share(CHUNKS, t, T); chunk < lastChunk; chunk++) {
    const sums = word(1) + chunk * bytes
    memory.fill(sums, 0, bytes)
    const to = share(rows, chunk + 1, CHUNKS)
    let r = share(rows, chunk, CHUNKS)
    // Four rows at a time, added in their order: the sums are loaded and stored a quarter as often.
    for (; r + 4 <= to; r += 4) {
      const x0 = word(0) + r * bytes, x1 = x0 + bytes, x2 = x1 + bytes, x3 = x2 + bytes
      let o: usize = 0
      for (; o + 16 <= bytes; o += 16) {
        const two = f32x4.add(f32x4.add(v128.load(sums + o), v128.load(x0 + o)), v128.load(x1 + o))
        v128.store(sums + o, f32x4.add(f32x4.add(two, v128.load(x2 + o)), v128.load(x3 + o)))
      }
      for (; o < bytes; o += 4) {
        const two = load<f32>(sums + o) + load<f32>(x0 + o) + load<f32>(x1 + o)
        store<f32>(sums + o, two + load<f32>(x2 + o) + load<f32>(x3 + o))
      }
    }
    for (; r < to; r++) {
      const x = word(0) + r * bytes
      let o: usize = 0
      for (; o + 16 <= bytes; o += 16) v128.store(sums + o, f32x4.add(v128.load(sums + o), v128.load(x + o)))
      for (; o < bytes; o += 4) store<f32>(sums + o, load<f32>(sums + o) + load<f32>(x + o))
    }
  }
}

/** y[j] = scale * sum over chunks of partials[c * stride + j]. Words: partials, stride, y, cols; floats: scale. */
export function joinChunks(t: usize, T: usize): void {
  const partials = word(0), stride = word(1) << 2, y = word(2), scale = float(0)
  const to = share(word(3), t + 1, T)
  for (let j = share(word(3), t, T); j < to; j++) {
    let total: f32 = 0
    for (let c: usize = 0; c < CHUNKS; c++) total += load<f32>(partials + c * stride + (j << 2))
    store<f32>(y + (j << 2), total * scale)
  }
}

function rowMax(x: usize, cols: usize): f32 {
  let top = f32x4.splat(-Infinity)
  let j: usize = 0
  for (; j + 4 <= cols; j += 4) top = f32x4.max(top, v128.load(x + (j << 2)))
  let value = max<f32>(
    max<f32>(f32x4.extract_lane(top, 0), f32x4.extract_lane(top, 1)),
    max<f32>(f32x4.extract_lane(top, 2), f32x4.extract_lane(top, 3))
  )
  for (; j < cols; j++) value = max<f32>(value, load<f32>(x + (j << 2)))
  return value
}

function rowMin(x: usize, cols: usize): f32 {
  let low = f32x4.splat(Infinity)
  let j: usize = 0
  for (; j + 4 <= cols; j += 4) low = f32x4.min(low, v128.load(x + (j << 2)))
  let value = min<f32>(
    min<f32>(f32x4.extract_lane(low, 0), f32x4.extract_lane(low, 1)),
    min<f32>(f32x4.extract_lane(low, 2), f32x4.extract_lane(low, 3))
  )
  for (; j < cols; j++) value = min<f32>(value, load<f32>(x + (j << 2)))
  return value
}

function rowTotal(x: usize, cols: usize): f32 {
  let total = f32x4.splat(0)
  let j: usize = 0
  for (; j + 4 <= cols; j += 4) total = f32x4.add(total, v128.load(x + (j << 2)))
  let value = sum4(total)
  for (; j < cols; j++) value += load<f32>(x + (j << 2))
  return value
}

/**
 * Each row's sum times `scale` (op 0), maximum (op 1) or minimum (op 2); a NaN stays.
 * Words: op, x, y, rows, cols; floats: scale.
 */
export function rowReduce(t: usize, T: usize): void {
  const op = word(0), rows = word(3), cols = word(4), scale = float(0)
  const to = share(rows, t + 1, T)
  for (let r = share(rows, t, T); r < to; r++) {
    const x = word(1) + ((r * cols) << 2)
    const value = op == 0 ? rowTotal(x, cols) * scale : op == 1 ? rowMax(x, cols) : rowMin(x, cols)
    store<f32>(word(2) + (r << 2), value)
  }
}

@inline function promoted(x: usize): v128 {
  return f64x2.promote_low_f32x4(v128.load64_zero(x))
}

/** Doubles, one per chunk: sums of a (b = 0) or of a b. Words: a, b, partials (8-byte aligned), n. */
export function dotChunks(t: usize, T: usize): void {
  const a = word(0), b = word(1), n = word(3)
  const lastChunk = share(CHUNKS, t + 1, T)
  for (let chunk = share(CHUNKS, t, T); chunk < lastChunk; chunk++) {
    let i = share(n, chunk, CHUNKS)
    const to = share(n, chunk + 1, CHUNKS)
    let total2 = f64x2.splat(0)
    for (; i + 2 <= to; i += 2) {
      const o = i << 2
      total2 = f64x2.add(total2, b == 0 ? promoted(a + o) : f64x2.mul(promoted(a + o), promoted(b + o)))
    }
    let total = f64x2.extract_lane(total2, 0) + f64x2.extract_lane(total2, 1)
    for (; i < to; i++) total += <f64>load<f32>(a + (i << 2)) * (b == 0 ? 1 : <f64>load<f32>(b + (i << 2)))
    store<f64>(word(2) + (chunk << 3), total)
  }
}

/** y = scale * sum of `count` doubles. Words: partials, count, y; floats: scale. */
export function joinDoubles(t: usize, T: usize): void {
  if (t != 0) return
  let total: f64 = 0
  for (let c: usize = 0; c < word(1); c++) total += load<f64>(word(0) + (c << 3))
  store<f32>(word(2), <f32>(total * <f64>float(0)))
}
