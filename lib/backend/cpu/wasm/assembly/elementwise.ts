import { float, share, word } from "./job"
import { exp4, tailOver } from "./maths"

// One operation per type tag, so that the compiler writes one tight loop for each of them.

@inline export function one(): v128 {
  return f32x4.splat(1)
}

@inline export function sigmoid4(x: v128): v128 {
  return f32x4.div(one(), f32x4.add(one(), exp4(f32x4.neg(x))))
}

/** Phi(x), and in `density` exp(-x^2 / 2). */
@inline export function normal4(x: v128, density: v128): v128 {
  const tail = f32x4.mul(tailOver(f32x4.abs(x)), density)
  return v128.bitselect(tail, f32x4.sub(one(), tail), f32x4.lt(x, f32x4.splat(0)))
}

@inline export function density4(x: v128): v128 {
  return exp4(f32x4.mul(f32x4.mul(x, x), f32x4.splat(-0.5)))
}

@inline function unary<Op>(x: v128): v128 {
  if (isFloat<Op>()) {
    if (sizeof<Op>() == 4) return f32x4.mul(x, normal4(x, density4(x))) // gelu
    return f32x4.mul(x, sigmoid4(f32x4.mul(x, f32x4.splat(1.702)))) // quickGelu
  }
  if (isSigned<Op>()) {
    if (sizeof<Op>() == 1) return f32x4.div(one(), f32x4.sqrt(x))
    if (sizeof<Op>() == 2) return sigmoid4(x)
    if (sizeof<Op>() == 4) return f32x4.abs(x)
    return f32x4.div(one(), x)
  }
  if (sizeof<Op>() == 1) return exp4(x)
  if (sizeof<Op>() == 2) return f32x4.sqrt(x)
  if (sizeof<Op>() == 4) return f32x4.neg(x)
  return f32x4.mul(x, x)
}

@inline function binary<Op>(a: v128, b: v128): v128 {
  if (isFloat<Op>()) {
    // a is the gradient of the output, b the input
    if (sizeof<Op>() == 4) { // gelu
      const density = density4(b)
      const slope = f32x4.mul(f32x4.mul(b, density), f32x4.splat(0.3989422804014327))
      return f32x4.mul(a, f32x4.add(normal4(b, density), slope))
    }
    const z = f32x4.mul(b, f32x4.splat(1.702)) // quickGelu
    const s = sigmoid4(z)
    return f32x4.mul(a, f32x4.mul(s, f32x4.add(one(), f32x4.mul(z, f32x4.sub(one(), s)))))
  }
  if (isSigned<Op>()) {
    if (sizeof<Op>() == 1) return f32x4.sub(b, a)
    if (sizeof<Op>() == 2) return f32x4.div(b, a)
    if (sizeof<Op>() == 4) return f32x4.max(a, b)
    return f32x4.min(a, b)
  }
  if (sizeof<Op>() == 1) return f32x4.add(a, b)
  if (sizeof<Op>() == 2) return f32x4.sub(a, b)
  if (sizeof<Op>() == 4) return f32x4.mul(a, b)
  return f32x4.div(a, b)
}

@inline function first(v: v128): f32 {
  return f32x4.extract_lane(v, 0)
}

function mapUnary<Op>(x: usize, y: usize, n: usize): void {
  let i: usize = 0
  for (; i + 4 <= n; i += 4) v128.store(y + (i << 2), unary<Op>(v128.load(x + (i << 2))))
  for (; i < n; i++) store<f32>(y + (i << 2), first(unary<Op>(f32x4.splat(load<f32>(x + (i << 2))))))
}

function mapBinary<Op>(a: usize, b: usize, y: usize, n: usize): void {
  let i: usize = 0
  for (; i + 4 <= n; i += 4) {
    const o = i << 2
    v128.store(y + o, binary<Op>(v128.load(a + o), v128.load(b + o)))
  }
  for (; i < n; i++) {
    const o = i << 2
    store<f32>(y + o, first(binary<Op>(f32x4.splat(load<f32>(a + o)), f32x4.splat(load<f32>(b + o)))))
  }
}

function mapScalar<Op>(a: usize, value: f32, y: usize, n: usize): void {
  const b = f32x4.splat(value)
  let i: usize = 0
  for (; i + 4 <= n; i += 4) v128.store(y + (i << 2), binary<Op>(v128.load(a + (i << 2)), b))
  for (; i < n; i++) store<f32>(y + (i << 2), first(binary<Op>(f32x4.splat(load<f32>(a + (i << 2))), b)))
}

/** Rows of `cols`: mode 0 both alike, 1 b is one number, 2 b is one row, 3 b has one number per row. */
function spread<Op>(mode: usize, a: usize, b: usize, y: usize, rows: usize, cols: usize, t: usize, T: usize): void {
  if (mode < 2) {
    const fours = (rows * cols + 3) >> 2
    const from = share(fours, t, T) << 2
    const to = min(rows * cols, share(fours, t + 1, T) << 2)
    if (mode == 0) mapBinary<Op>(a + (from << 2), b + (from << 2), y + (from << 2), to - from)
    else mapScalar<Op>(a + (from << 2), load<f32>(b), y + (from << 2), to - from)
    return
  }
  const to = share(rows, t + 1, T)
  for (let r = share(rows, t, T); r < to; r++) {
    const o = (r * cols) << 2
    if (mode == 2) mapBinary<Op>(a + o, b, y + o, cols)
    else mapScalar<Op>(a + o, load<f32>(b + (r << 2)), y + o, cols)
  }
}

/** Words: op, x, y, n. */
export function unaryMap(t: usize, T: usize): void {
  const n = word(3), fours = (n + 3) >> 2
  const from = share(fours, t, T) << 2
  const count = min(n, share(fours, t + 1, T) << 2) - from
  const x = word(1) + (from << 2), y = word(2) + (from << 2)
  switch (<u32>word(0)) {
    case 0: return mapUnary<u8>(x, y, count)
    case 1: return mapUnary<u16>(x, y, count)
    case 2: return mapUnary<u32>(x, y, count)
    case 3: return mapUnary<u64>(x, y, count)
    case 4: return mapUnary<i8>(x, y, count)
    case 5: return mapUnary<i16>(x, y, count)
    case 6: return mapUnary<i32>(x, y, count)
    case 7: return mapUnary<i64>(x, y, count)
    case 8: return mapUnary<f32>(x, y, count)
    case 9: return mapUnary<f64>(x, y, count)
    default: unreachable()
  }
}

/** Words: op, mode, a, b, y, rows, cols. */
export function binaryMap(t: usize, T: usize): void {
  const mode = word(1), a = word(2), b = word(3), y = word(4), rows = word(5), cols = word(6)
  switch (<u32>word(0)) {
    case 0: return spread<u8>(mode, a, b, y, rows, cols, t, T)
    case 1: return spread<u16>(mode, a, b, y, rows, cols, t, T)
    case 2: return spread<u32>(mode, a, b, y, rows, cols, t, T)
    case 3: return spread<u64>(mode, a, b, y, rows, cols, t, T)
    case 4: return spread<i8>(mode, a, b, y, rows, cols, t, T)
    case 5: return spread<i16>(mode, a, b, y, rows, cols, t, T)
    case 6: return spread<i32>(mode, a, b, y, rows, cols, t, T)
    case 7: return spread<i64>(mode, a, b, y, rows, cols, t, T)
    case 8: return spread<f32>(mode, a, b, y, rows, cols, t, T)
    case 9: return spread<f64>(mode, a, b, y, rows, cols, t, T)
    default: unreachable()
  }
}

/** y = alpha x + beta. Words: x, y, n; floats: alpha, beta. */
export function affine(t: usize, T: usize): void {
  const n = word(2), fours = (n + 3) >> 2
  const from = share(fours, t, T) << 2, to = min(n, share(fours, t + 1, T) << 2)
  const x = word(0), y = word(1), alpha = float(0), beta = float(1)
  const alpha4 = f32x4.splat(alpha), beta4 = f32x4.splat(beta)
  let i = from
  for (; i + 4 <= to; i += 4) {
    v128.store(y + (i << 2), f32x4.add(f32x4.mul(v128.load(x + (i << 2)), alpha4), beta4))
  }
  for (; i < to; i++) store<f32>(y + (i << 2), load<f32>(x + (i << 2)) * alpha + beta)
}

/** Words: y, n, bits of the value. */
export function fill(t: usize, T: usize): void {
  const y = word(0), n = word(1), fours = (n + 3) >> 2, bits = <i32>word(2)
  const to = min(n, share(fours, t + 1, T) << 2)
  let i = share(fours, t, T) << 2
  const value = i32x4.splat(bits)
  for (; i + 4 <= to; i += 4) v128.store(y + (i << 2), value)
  for (; i < to; i++) store<i32>(y + (i << 2), bits)
}
