// Panels of A and B in the order in which a tile reads them. Any strides go in, so that transposition costs nothing.
// All strides are in bytes.

/**
 * Four rows of a matrix, `kc` deep, side by side: dst[k * step][4]. Where fewer than four are left, the last one is
 * repeated: lanes never mix, and what the tile makes of the repetition is thrown away.
 */
@inline function packFour(dst: usize, step: usize, p: usize, row: usize, col: usize, left: usize, kc: usize): void {
  let k: usize = 0
  if (row == 4 && left >= 4) {
    for (; k < kc; k++) {
      v128.store(dst, v128.load(p))
      dst += step
      p += col
    }
    return
  }
  let p1 = left > 1 ? p + row : p
  let p2 = left > 2 ? p1 + row : p1
  let p3 = left > 3 ? p2 + row : p2
  if (col == 4) {
    for (; k + 4 <= kc; k += 4) {
      const r0 = v128.load(p), r1 = v128.load(p1), r2 = v128.load(p2), r3 = v128.load(p3)
      const a = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5)
      const b = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7)
      const c = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5)
      const d = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7)
      v128.store(dst, v128.shuffle<f64>(a, c, 0, 2))
      dst += step
      v128.store(dst, v128.shuffle<f64>(a, c, 1, 3))
      dst += step
      v128.store(dst, v128.shuffle<f64>(b, d, 0, 2))
      dst += step
      v128.store(dst, v128.shuffle<f64>(b, d, 1, 3))
      dst += step
      p += 16
      p1 += 16
      p2 += 16
      p3 += 16
    }
  }
  for (; k < kc; k++) {
    store<f32>(dst, load<f32>(p))
    store<f32>(dst, load<f32>(p1), 4)
    store<f32>(dst, load<f32>(p2), 8)
    store<f32>(dst, load<f32>(p3), 12)
    dst += step
    p += col
    p1 += col
    p2 += col
    p3 += col
  }
}

/** Rows of A in panels of `height` (3 or 4) rows, four floats for each k whatever the height. */
export function packA(dst: usize, a: usize, row: usize, col: usize, rows: usize, kc: usize, height: usize): void {
  for (let i: usize = 0; i < rows; i += height) {
    packFour(dst, 16, a, row, col, rows - i, kc)
    dst += kc << 4
    a += height * row
  }
}

/** Columns of B in panels of `width` (8 or 12): dst[k][width]. */
export function packB(dst: usize, b: usize, row: usize, col: usize, cols: usize, kc: usize, width: usize): void {
  const step = width << 2
  for (let j: usize = 0; j < cols; j += width) {
    const left = cols - j
    if (col == 4 && left >= width) {
      let p = b
      for (let k: usize = 0; k < kc; k++) {
        v128.store(dst, v128.load(p))
        v128.store(dst, v128.load(p, 16), 16)
        if (width == 12) v128.store(dst, v128.load(p, 32), 32)
        dst += step
        p += row
      }
    } else {
      for (let g: usize = 0; g < width; g += 4) {
        // A group past the last column repeats the last column.
        const first = min(g, left - 1)
        packFour(dst + (g << 2), step, b + first * col, col, row, left - first, kc)
      }
      dst += kc * step
    }
    b += width * col
  }
}
