import { density4, normal4, one, sigmoid4 } from "./elementwise"
import { CHUNKS, share, word } from "./job"

@inline function first(v: v128): f32 {
  return f32x4.extract_lane(v, 0)
}

// The type tag is the activation: f32 GELU, f64 QuickGELU. Both need of an input x one number between 0 and 1 (Phi, or
// the sigmoid), and GELU also exp(-x^2 / 2).

@inline function densityOf<Op>(x: v128): v128 {
  if (sizeof<Op>() == 4) return density4(x)
  return x // not used
}

@inline function shareOf<Op>(x: v128, density: v128): v128 {
  if (sizeof<Op>() == 4) return normal4(x, density)
  return sigmoid4(f32x4.mul(x, f32x4.splat(1.702)))
}

@inline function slopeOf<Op>(x: v128, part: v128, density: v128): v128 {
  if (sizeof<Op>() == 4) {
    return f32x4.add(part, f32x4.mul(f32x4.mul(x, density), f32x4.splat(0.3989422804014327)))
  }
  const z = f32x4.mul(x, f32x4.splat(1.702))
  return f32x4.mul(part, f32x4.add(one(), f32x4.mul(z, f32x4.sub(one(), part))))
}

/** One row: the activation of `pre`, and dpre = dpost slope, which may be the place of dpost, added to `sums` too. */
function row<Op>(dpost: usize, pre: usize, dpre: usize, post: usize, sums: usize, bytes: usize): void {
  let o: usize = 0
  for (; o + 16 <= bytes; o += 16) {
    const x = v128.load(pre + o)
    const density = densityOf<Op>(x)
    const part = shareOf<Op>(x, density)
    const dx = f32x4.mul(v128.load(dpost + o), slopeOf<Op>(x, part, density))
    v128.store(post + o, f32x4.mul(x, part))
    v128.store(dpre + o, dx)
    v128.store(sums + o, f32x4.add(v128.load(sums + o), dx))
  }
  for (; o < bytes; o += 4) {
    const x = f32x4.splat(load<f32>(pre + o))
    const density = densityOf<Op>(x)
    const part = shareOf<Op>(x, density)
    const dx = load<f32>(dpost + o) * first(slopeOf<Op>(x, part, density))
    store<f32>(post + o, first(f32x4.mul(x, part)))
    store<f32>(dpre + o, dx)
    store<f32>(sums + o, load<f32>(sums + o) + dx)
  }
}

/**
 * Backward through an MLP's activation, the activation itself made again, and the sums of rows that are its bias's
 * gradient, a partial sum for each of CHUNKS chunks of rows.
 * Words: op (0 GELU, 1 QuickGELU), dpost, pre, dpre, post, partials [CHUNKS, cols], rows, cols.
 */
export function mlpHiddenGrad(t: usize, T: usize): void {
  const op = word(0), rows = word(6), bytes = word(7) << 2
  const lastChunk = share(CHUNKS, t + 1, T)
  for (let chunk = share(CHUNKS, t, T); chunk < lastChunk; chunk++) {
    const sums = word(5) + chunk * bytes
    memory.fill(sums, 0, bytes)
    const to = share(rows, chunk + 1, CHUNKS)
    for (let r = share(rows, chunk, CHUNKS); r < to; r++) {
      const o = r * bytes
      if (op == 0) row<f32>(word(1) + o, word(2) + o, word(3) + o, word(4) + o, sums, bytes)
      else row<f64>(word(1) + o, word(2) + o, word(3) + o, word(4) + o, sums, bytes)
    }
  }
}
