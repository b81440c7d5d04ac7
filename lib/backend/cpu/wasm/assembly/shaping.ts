import { share, word } from "./job"

/**
 * Copies six nested axes between any strides (in elements): transposes, slices, joins, padding, repetition.
 * Words: x, y, sizes 2..7 (outermost first), strides of x 8..13, strides of y 14..19.
 */
export function copyStrided(t: usize, T: usize): void {
  const n0 = word(2), n1 = word(3), n2 = word(4), n3 = word(5), n4 = word(6), n5 = word(7)
  const x4 = word(12) << 2, x5 = word(13) << 2
  const y4 = word(18) << 2, y5 = word(19) << 2
  const outer = n0 * n1 * n2 * n3
  const to = share(outer, t + 1, T)
  for (let i = share(outer, t, T); i < to; i++) {
    let rest = i
    const i3 = rest % n3
    rest /= n3
    const i2 = rest % n2
    rest /= n2
    const i1 = rest % n1
    const i0 = rest / n1
    let x = word(0) + ((i0 * word(8) + i1 * word(9) + i2 * word(10) + i3 * word(11)) << 2)
    let y = word(1) + ((i0 * word(14) + i1 * word(15) + i2 * word(16) + i3 * word(17)) << 2)
    if (x5 == 4 && y5 == 4) {
      const bytes = n5 << 2
      for (let i4: usize = 0; i4 < n4; i4++) {
        if (bytes >= 256) memory.copy(y, x, bytes)
        else {
          let o: usize = 0
          for (; o + 16 <= bytes; o += 16) v128.store(y + o, v128.load(x + o))
          for (; o < bytes; o += 4) store<u32>(y + o, load<u32>(x + o))
        }
        x += x4
        y += y4
      }
    } else {
      // Columns in tens of rows at a time would help the cache; the axes met here are short.
      for (let i4: usize = 0; i4 < n4; i4++) {
        let p = x, q = y
        for (let i5: usize = 0; i5 < n5; i5++) {
          store<u32>(q, load<u32>(p))
          p += x5
          q += y5
        }
        x += x4
        y += y4
      }
    }
  }
}

/** y[i] = table[indices[i]]. Words: table, indices (int32, checked by the host), y, n, cols. */
export function gatherRows(t: usize, T: usize): void {
  const n = word(3), bytes = word(4) << 2
  const to = share(n, t + 1, T)
  for (let i = share(n, t, T); i < to; i++) {
    memory.copy(word(2) + i * bytes, word(0) + load<u32>(word(1) + (i << 2)) * bytes, bytes)
  }
}

/** table[indices[i]] += dy[i], in the order of i; workers share columns. Words: dy, indices, table (zeroed here), n, cols, rows. */
export function scatterRows(t: usize, T: usize): void {
  const n = word(3), cols = word(4), rows = word(5)
  const fours = (cols + 3) >> 2
  const from = share(fours, t, T) << 2, to = min(cols, share(fours, t + 1, T) << 2)
  if (to <= from) return
  for (let r: usize = 0; r < rows; r++) memory.fill(word(2) + ((r * cols + from) << 2), 0, (to - from) << 2)
  for (let i: usize = 0; i < n; i++) {
    const row = word(2) + ((load<u32>(word(1) + (i << 2)) * cols) << 2)
    const dy = word(0) + ((i * cols) << 2)
    let j = from
    for (; j + 4 <= to; j += 4) {
      const o = j << 2
      v128.store(row + o, f32x4.add(v128.load(row + o), v128.load(dy + o)))
    }
    for (; j < to; j++) store<f32>(row + (j << 2), load<f32>(row + (j << 2)) + load<f32>(dy + (j << 2)))
  }
}
