/** A dense row-major array of doubles. `shape` is empty for a scalar, `data` has the product of `shape` elements. */
export interface F64 {
  readonly shape: ReadonlyArray<number>
  readonly data: Float64Array
}

/** Number of elements of a shape: 1 for a scalar. */
export const sizeOf = (shape: ReadonlyArray<number>): number => shape.reduce((product, size) => product * size, 1)

/** Element `index` of a list or a typed array; throws a `RangeError` outside it, so that no default hides a slip. */
export const at = <T>(list: { readonly length: number; readonly [index: number]: T }, index: number): T => {
  const value = list[index]
  if (value === undefined) throw new RangeError(`no element ${index}: there are ${list.length}`)
  return value
}

/** An array of the given shape. Throws when the number of elements does not fit; copies the values. */
export const f64 = (shape: ReadonlyArray<number>, values: ArrayLike<number>): F64 => {
  if (values.length !== sizeOf(shape)) {
    throw new RangeError(`shape [${shape}] holds ${sizeOf(shape)} elements, got ${values.length}`)
  }
  return { shape: [...shape], data: Float64Array.from(values) }
}

/** A scalar, shape []. */
export const scalar = (value: number): F64 => f64([], [value])

/** Zeros of the given shape. */
export const zeros = (shape: ReadonlyArray<number>): F64 => ({
  shape: [...shape],
  data: new Float64Array(sizeOf(shape))
})

/** The array with `f` applied to each element. */
export const mapArray = (f: (value: number, index: number) => number, x: F64): F64 => ({
  shape: x.shape,
  data: x.data.map(f)
})

/** Row-major strides, in elements. */
export const stridesOf = (shape: ReadonlyArray<number>): Array<number> => {
  const strides = shape.map(() => 1)
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = at(strides, axis + 1) * at(shape, axis + 1)
  return strides
}

/** Whether two shapes are equal. */
export const sameShape = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): boolean =>
  a.length === b.length && a.every((size, axis) => size === b[axis])

/** `axis` counted from the end when negative. Throws when the shape has no such axis. */
export const axisOf = (axis: number, rank: number): number => {
  const positive = axis < 0 ? axis + rank : axis
  if (positive < 0 || positive >= rank) throw new RangeError(`no axis ${axis} in an array of rank ${rank}`)
  return positive
}
