import { at, axisOf, type F64, sameShape, sizeOf, stridesOf, zeros } from "./array.ts"
import { type Node, record } from "./tape.ts"

/** An operation that only moves elements: `from` holds, for each element of the result, its place in `x`. */
const move = (x: Node, shape: ReadonlyArray<number>, from: ArrayLike<number>): Node => {
  const value = zeros(shape)
  for (let i = 0; i < value.data.length; i++) value.data[i] = at(x.value.data, at(from, i))
  return record(value, [x], (cotangent) => {
    const back = zeros(x.value.shape)
    cotangent.data.forEach((g, i) => {
      const place = at(from, i)
      back.data[place] = at(back.data, place) + g
    })
    return [back]
  })
}

/** The same elements under another shape with as many elements. */
export const reshape = (x: Node, shape: ReadonlyArray<number>): Node => {
  if (sizeOf(shape) !== x.value.data.length) {
    throw new RangeError(`cannot reshape [${x.value.shape}] to [${shape}]: ${x.value.data.length} elements`)
  }
  const back = x.value.shape
  return record({ shape: [...shape], data: x.value.data }, [x], (g) => [{ shape: back, data: g.data }])
}

/** Axis `i` of the result is axis `axes[i]` of x. */
export const permute = (x: Node, axes: ReadonlyArray<number>): Node => {
  if (!sameShape([...axes].sort((a, b) => a - b), x.value.shape.map((_, axis) => axis))) {
    throw new RangeError(`[${axes}] is no order of the axes of [${x.value.shape}]`)
  }
  const shape = axes.map((axis) => at(x.value.shape, axis))
  const source = stridesOf(x.value.shape)
  const target = stridesOf(shape)
  const from = Int32Array.from({ length: sizeOf(shape) }, (_, i) => {
    let place = 0
    for (let axis = 0; axis < axes.length; axis++) {
      place += (Math.floor(i / at(target, axis)) % at(shape, axis)) * at(source, at(axes, axis))
    }
    return place
  })
  return move(x, shape, from)
}

/** The last two axes exchanged. */
export const transpose = (x: Node): Node => {
  const axes = x.value.shape.map((_, axis) => axis)
  return permute(x, [...axes.slice(0, -2), at(axes, axes.length - 1), at(axes, axes.length - 2)])
}

/** Elements `start` to `end - 1` along an axis. */
export const slice = (x: Node, axis: number, start: number, end: number): Node => {
  const along = axisOf(axis, x.value.shape.length)
  const length = at(x.value.shape, along)
  if (!(0 <= start && start <= end && end <= length)) {
    throw new RangeError(`slice ${start}..${end} of axis ${along} of [${x.value.shape}]`)
  }
  const shape = x.value.shape.map((size, i) => (i === along ? end - start : size))
  const inner = sizeOf(shape.slice(along + 1))
  const block = (end - start) * inner
  const from = Int32Array.from(
    { length: sizeOf(shape) },
    (_, i) => Math.floor(i / block) * length * inner + start * inner + (i % block)
  )
  return move(x, shape, from)
}

/** Arrays one after the other along an axis; all other axes must agree. */
export const concat = (parts: ReadonlyArray<Node>, axis: number): Node => {
  const first = at(parts, 0).value.shape
  const along = axisOf(axis, first.length)
  const lengths = parts.map(({ value }) => at(value.shape, along))
  const total = lengths.reduce((sum, length) => sum + length, 0)
  const shapeFor = (length: number): Array<number> => first.map((size, i) => (i === along ? length : size))
  for (const [index, { value }] of parts.entries()) {
    if (!sameShape(value.shape, shapeFor(at(lengths, index)))) {
      throw new RangeError(`cannot concatenate [${value.shape}] to [${first}] along axis ${along}`)
    }
  }
  const outer = sizeOf(first.slice(0, along))
  const inner = sizeOf(first.slice(along + 1))
  const copy = (whole: F64, pieces: ReadonlyArray<F64>, forward: boolean): void => {
    let start = 0
    pieces.forEach((piece, index) => {
      const block = at(lengths, index) * inner
      for (let o = 0; o < outer; o++) {
        const w = whole.data.subarray(o * total * inner + start, o * total * inner + start + block)
        const p = piece.data.subarray(o * block, (o + 1) * block)
        if (forward) w.set(p)
        else p.set(w)
      }
      start += block
    })
  }
  const value = zeros(shapeFor(total))
  copy(value, parts.map((part) => part.value), true)
  return record(value, parts, (cotangent) => {
    const pieces = parts.map((part) => zeros(part.value.shape))
    copy(cotangent, pieces, false)
    return pieces
  })
}

/** Rows of `table` [V, ...] by number: result [...shape, ...]. Gradients of a row taken twice add up. */
export const gatherRows = (
  table: Node,
  rows: ArrayLike<number>,
  shape: ReadonlyArray<number> = [rows.length]
): Node => {
  const [count = 0, ...rest] = table.value.shape
  const width = sizeOf(rest)
  if (sizeOf(shape) !== rows.length) throw new RangeError(`${rows.length} rows do not fill [${shape}]`)
  const from = Int32Array.from({ length: rows.length * width }, (_, i) => {
    const row = at(rows, Math.floor(i / width))
    if (!(row >= 0 && row < count)) throw new RangeError(`row ${row} of a table with ${count} rows`)
    return row * width + (i % width)
  })
  return move(table, [...shape, ...rest], from)
}

/** Repeats x `count` times along a new first axis: [...] -> [count, ...]. */
export const repeat = (x: Node, count: number): Node => {
  const size = x.value.data.length
  return move(x, [count, ...x.value.shape], Int32Array.from({ length: count * size }, (_, i) => i % size))
}

/** The sum of all elements, shape []. */
export const sum = (x: Node): Node =>
  record(
    { shape: [], data: Float64Array.of(x.value.data.reduce((total, v) => total + v, 0)) },
    [x],
    (cotangent) => [{ shape: x.value.shape, data: new Float64Array(x.value.data.length).fill(at(cotangent.data, 0)) }]
  )
