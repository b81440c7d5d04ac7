import { at, type F64, mapArray, sameShape, sizeOf, stridesOf, zeros } from "./array.ts"
import { normalCdf } from "./erf.ts"
import { type Node, record } from "./tape.ts"

const broadcastShape = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): Array<number> => {
  const rank = Math.max(a.length, b.length)
  return Array.from({ length: rank }, (_, axis) => {
    const left = a[axis - rank + a.length] ?? 1
    const right = b[axis - rank + b.length] ?? 1
    if (left !== right && left !== 1 && right !== 1) throw new RangeError(`[${a}] and [${b}] do not broadcast`)
    return left === 1 ? right : left
  })
}

/** For each element of `to`, the position in an array of shape `from` that broadcasts to it. */
const positions = (from: ReadonlyArray<number>, to: ReadonlyArray<number>): Int32Array => {
  const index = new Int32Array(sizeOf(to))
  if (sameShape(from, to)) return index.map((_, i) => i)
  const source = stridesOf(from)
  const target = stridesOf(to)
  const lead = to.length - from.length
  return index.map((_, i) => {
    let position = 0
    from.forEach((size, axis) => {
      const coordinate = Math.floor(i / at(target, axis + lead)) % at(to, axis + lead)
      if (size !== 1) position += coordinate * at(source, axis)
    })
    return position
  })
}

/** `f(a, b)` with NumPy's broadcasting; `slopes` gives both partial derivatives at a pair of elements. */
const binary = (
  a: Node,
  b: Node,
  f: (x: number, y: number) => number,
  slopes: (x: number, y: number) => readonly [number, number]
): Node => {
  const shape = broadcastShape(a.value.shape, b.value.shape)
  const fromA = positions(a.value.shape, shape)
  const fromB = positions(b.value.shape, shape)
  const value = mapArray((_, i) => f(at(a.value.data, at(fromA, i)), at(b.value.data, at(fromB, i))), zeros(shape))
  return record(value, [a, b], (cotangent) => {
    const toA = zeros(a.value.shape)
    const toB = zeros(b.value.shape)
    cotangent.data.forEach((g, i) => {
      const left = at(fromA, i)
      const right = at(fromB, i)
      const [slopeA, slopeB] = slopes(at(a.value.data, left), at(b.value.data, right))
      toA.data[left] = at(toA.data, left) + g * slopeA
      toB.data[right] = at(toB.data, right) + g * slopeB
    })
    return [toA, toB]
  })
}

const unary = (x: Node, f: (x: number) => number, slope: (x: number) => number): Node =>
  record(
    mapArray(f, x.value),
    [x],
    (cotangent): ReadonlyArray<F64> => [mapArray((g, i) => g * slope(at(x.value.data, i)), cotangent)]
  )

/** a + b, broadcasting. */
export const add = (a: Node, b: Node): Node => binary(a, b, (x, y) => x + y, () => [1, 1])

/** a - b, broadcasting. */
export const sub = (a: Node, b: Node): Node => binary(a, b, (x, y) => x - y, () => [1, -1])

/** a * b, element by element, broadcasting. */
export const mul = (a: Node, b: Node): Node => binary(a, b, (x, y) => x * y, (x, y) => [y, x])

/** x times a number. */
export const scale = (x: Node, factor: number): Node => unary(x, (v) => v * factor, () => factor)

/** x plus a number. */
export const addScalar = (x: Node, term: number): Node => unary(x, (v) => v + term, () => 1)

/** e^x. */
export const exp = (x: Node): Node => unary(x, Math.exp, Math.exp)

/** x Phi(x) with the exact normal distribution function: x/2 (1 + erf(x / sqrt 2)). */
export const gelu = (x: Node): Node =>
  unary(x, (v) => v * normalCdf(v), (v) => normalCdf(v) + (v * Math.exp((-v * v) / 2)) / Math.sqrt(2 * Math.PI))

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))

/** x sigmoid(1.702 x). */
export const quickGelu = (x: Node): Node =>
  unary(x, (v) => v * sigmoid(1.702 * v), (v) => {
    const s = sigmoid(1.702 * v)
    return s + 1.702 * v * s * (1 - s)
  })
