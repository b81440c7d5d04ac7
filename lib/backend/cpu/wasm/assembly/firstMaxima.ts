import { share, word } from "./job"

@inline function columnOf<T>(x: usize, cols: usize): usize {
  let at: usize = 0
  let top = load<T>(x)
  for (let j: usize = 1; j < cols; j++) {
    const v = load<T>(x + (j << 2))
    if (v > top) {
      top = v
      at = j
    }
  }
  return at
}

/** y[r] = r cols + the column of the first maximum of row r. Words: x, y, rows, cols, isInt. */
export function firstMaxima(t: usize, T: usize): void {
  const rows = word(2), cols = word(3), isInt = word(4) != 0
  const to = share(rows, t + 1, T)
  for (let r = share(rows, t, T); r < to; r++) {
    const x = word(0) + ((r * cols) << 2)
    const column = isInt ? columnOf<i32>(x, cols) : columnOf<f32>(x, cols)
    store<u32>(word(1) + (r << 2), <u32>(r * cols + column))
  }
}
