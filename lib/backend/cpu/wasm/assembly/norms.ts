import { CHUNKS, float, share, word } from "./job"
import { sum4 } from "./maths"

@inline function rowSum(x: usize, cols: usize): f32 {
  let total4 = f32x4.splat(0)
  let j: usize = 0
  for (; j + 4 <= cols; j += 4) total4 = f32x4.add(total4, v128.load(x + (j << 2)))
  let total = sum4(total4)
  for (; j < cols; j++) total += load<f32>(x + (j << 2))
  return total
}

/** Sum of (x - mean)^2. */
@inline function rowSquares(x: usize, cols: usize, mean: f32): f32 {
  const mean4 = f32x4.splat(mean)
  let total4 = f32x4.splat(0)
  let j: usize = 0
  for (; j + 4 <= cols; j += 4) {
    const d = f32x4.sub(v128.load(x + (j << 2)), mean4)
    total4 = f32x4.add(total4, f32x4.mul(d, d))
  }
  let total = sum4(total4)
  for (; j < cols; j++) {
    const d = load<f32>(x + (j << 2)) - mean
    total += d * d
  }
  return total
}

/** Words: x, gamma, beta, y, mean, rstd, rows, cols; floats: eps. */
export function layerNorm(t: usize, T: usize): void {
  const gamma = word(1), beta = word(2), rows = word(6), cols = word(7), eps = float(0)
  const to = share(rows, t + 1, T)
  for (let r = share(rows, t, T); r < to; r++) {
    const x = word(0) + ((r * cols) << 2), y = word(3) + ((r * cols) << 2)
    const mean = rowSum(x, cols) / <f32>cols
    const rstd: f32 = 1 / sqrt<f32>(rowSquares(x, cols, mean) / <f32>cols + eps)
    store<f32>(word(4) + (r << 2), mean)
    store<f32>(word(5) + (r << 2), rstd)
    const mean4 = f32x4.splat(mean), rstd4 = f32x4.splat(rstd)
    let j: usize = 0
    for (; j + 4 <= cols; j += 4) {
      const o = j << 2
      const normal = f32x4.mul(f32x4.sub(v128.load(x + o), mean4), rstd4)
      v128.store(y + o, f32x4.add(f32x4.mul(normal, v128.load(gamma + o)), v128.load(beta + o)))
    }
    for (; j < cols; j++) {
      const o = j << 2
      store<f32>(y + o, (load<f32>(x + o) - mean) * rstd * load<f32>(gamma + o) + load<f32>(beta + o))
    }
  }
}

/** Words: x, gamma, y, rstd, rows, cols; floats: eps, scale. */
export function rmsNorm(t: usize, T: usize): void {
  const gamma = word(1), rows = word(4), cols = word(5), eps = float(0), scale = float(1)
  const to = share(rows, t + 1, T)
  for (let r = share(rows, t, T); r < to; r++) {
    const x = word(0) + ((r * cols) << 2), y = word(2) + ((r * cols) << 2)
    const rstd: f32 = 1 / sqrt<f32>(rowSquares(x, cols, 0) / <f32>cols + eps)
    store<f32>(word(3) + (r << 2), rstd)
    const rstd4 = f32x4.splat(rstd), scale4 = f32x4.splat(scale)
    let j: usize = 0
    for (; j + 4 <= cols; j += 4) {
      const o = j << 2
      v128.store(y + o, f32x4.mul(f32x4.mul(f32x4.mul(v128.load(x + o), rstd4), v128.load(gamma + o)), scale4))
    }
    for (; j < cols; j++) {
      const o = j << 2
      store<f32>(y + o, load<f32>(x + o) * rstd * load<f32>(gamma + o) * scale)
    }
  }
}

/**
 * The backward pass of layerNorm (mean != 0) and rmsNorm (mean = 0): dx, and per chunk of rows the sums of dy normal
 * and, after them, of dy. Words: dy, x, gamma, mean, rstd, dx, partials [CHUNKS, 2, cols], rows, cols; floats: scale.
 */
export function normGrad(t: usize, T: usize): void {
  const gamma = word(2), means = word(3), rows = word(7), cols = word(8), scale = float(0)
  const isCentred = means != 0
  const scale4 = f32x4.splat(scale)
  const lastChunk = share(CHUNKS, t + 1, T)
  for (let chunk = share(CHUNKS, t, T); chunk < lastChunk; chunk++) {
    const dGamma = word(6) + ((chunk * 2 * cols) << 2)
    const dBeta = dGamma + (cols << 2)
    memory.fill(dGamma, 0, (2 * cols) << 2)
    const to = share(rows, chunk + 1, CHUNKS)
    for (let r = share(rows, chunk, CHUNKS); r < to; r++) {
      const at = (r * cols) << 2
      const dy = word(0) + at, x = word(1) + at, dx = word(5) + at
      const mean: f32 = isCentred ? load<f32>(means + (r << 2)) : 0
      const rstd = load<f32>(word(4) + (r << 2))
      const mean4 = f32x4.splat(mean), rstd4 = f32x4.splat(rstd)
      let sum = f32x4.splat(0), product = f32x4.splat(0)
      let j: usize = 0
      for (; j + 4 <= cols; j += 4) {
        const o = j << 2
        const grad = f32x4.mul(v128.load(dy + o), scale4)
        const normal = f32x4.mul(f32x4.sub(v128.load(x + o), mean4), rstd4)
        const g = f32x4.mul(grad, v128.load(gamma + o))
        sum = f32x4.add(sum, g)
        product = f32x4.add(product, f32x4.mul(g, normal))
        v128.store(dGamma + o, f32x4.add(v128.load(dGamma + o), f32x4.mul(grad, normal)))
        v128.store(dBeta + o, f32x4.add(v128.load(dBeta + o), grad))
      }
      let s1 = sum4(sum), s2 = sum4(product)
      for (; j < cols; j++) {
        const o = j << 2
        const grad = load<f32>(dy + o) * scale
        const normal = (load<f32>(x + o) - mean) * rstd
        const g = grad * load<f32>(gamma + o)
        s1 += g
        s2 += g * normal
        store<f32>(dGamma + o, load<f32>(dGamma + o) + grad * normal)
        store<f32>(dBeta + o, load<f32>(dBeta + o) + grad)
      }
      const m1: f32 = isCentred ? s1 / <f32>cols : 0
      const m2: f32 = s2 / <f32>cols
      const m14 = f32x4.splat(m1), m24 = f32x4.splat(m2)
      for (j = 0; j + 4 <= cols; j += 4) {
        const o = j << 2
        const normal = f32x4.mul(f32x4.sub(v128.load(x + o), mean4), rstd4)
        const g = f32x4.mul(f32x4.mul(v128.load(dy + o), scale4), v128.load(gamma + o))
        v128.store(dx + o, f32x4.mul(f32x4.sub(f32x4.sub(g, m14), f32x4.mul(normal, m24)), rstd4))
      }
      for (; j < cols; j++) {
        const o = j << 2
        const normal = (load<f32>(x + o) - mean) * rstd
        const g = load<f32>(dy + o) * scale * load<f32>(gamma + o)
        store<f32>(dx + o, (g - m1 - normal * m2) * rstd)
      }
    }
  }
}

/** Words: x, y, norm, rows, cols; floats: floor. */
export function l2Normalize(t: usize, T: usize): void {
  const rows = word(3), cols = word(4), floor = float(0)
  const to = share(rows, t + 1, T)
  for (let r = share(rows, t, T); r < to; r++) {
    const x = word(0) + ((r * cols) << 2), y = word(1) + ((r * cols) << 2)
    const norm = max<f32>(sqrt<f32>(rowSquares(x, cols, 0)), floor)
    store<f32>(word(2) + (r << 2), norm)
    const norm4 = f32x4.splat(norm)
    let j: usize = 0
    for (; j + 4 <= cols; j += 4) v128.store(y + (j << 2), f32x4.div(v128.load(x + (j << 2)), norm4))
    for (; j < cols; j++) store<f32>(y + (j << 2), load<f32>(x + (j << 2)) / norm)
  }
}

/** dx = (dy - y (y . dy)) / norm. Words: dy, y, norm, dx, rows, cols. */
export function l2NormalizeGrad(t: usize, T: usize): void {
  const rows = word(4), cols = word(5)
  const to = share(rows, t + 1, T)
  for (let r = share(rows, t, T); r < to; r++) {
    const at = (r * cols) << 2
    const dy = word(0) + at, y = word(1) + at, dx = word(3) + at
    const norm = load<f32>(word(2) + (r << 2))
    let dot4 = f32x4.splat(0)
    let j: usize = 0
    for (; j + 4 <= cols; j += 4) {
      dot4 = f32x4.add(dot4, f32x4.mul(v128.load(dy + (j << 2)), v128.load(y + (j << 2))))
    }
    let dot = sum4(dot4)
    for (; j < cols; j++) dot += load<f32>(dy + (j << 2)) * load<f32>(y + (j << 2))
    for (j = 0; j < cols; j++) {
      const o = j << 2
      store<f32>(dx + o, (load<f32>(dy + o) - load<f32>(y + o) * dot) / norm)
    }
  }
}
