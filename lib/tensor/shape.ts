import type { Tensor } from "@tensorflow/tfjs-core"

/** A list of dimension sizes, outermost first. */
export type Shape = ReadonlyArray<number>

/**
 * A pure function was given tensors that do not fit. It is the programmer's mistake, so it is thrown (a defect) and
 * never a channel of an Effect. `operation` names the function, `expected` and `found` say what it wanted and got.
 */
export class ShapeError extends Error {
  readonly _tag = "ShapeError" as const
  readonly operation: string
  readonly expected: string
  readonly found: string

  constructor(operation: string, expected: string, found: string) {
    super(`${operation}: expected ${expected}, found ${found}`)
    this.name = "ShapeError"
    this.operation = operation
    this.expected = expected
    this.found = found
  }
}

/** `[2, 3]`, as shapes are printed in every message. */
export const showShape = (shape: Shape): string => `[${shape.join(", ")}]`

/** The number of elements of a shape; 1 for a scalar. */
export const sizeOf = (shape: Shape): number => shape.reduce((size, dim) => size * dim, 1)

/** Whether two shapes are equal, rank included. */
export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((dim, i) => dim === b[i])

/** A dimension, counted from the end when negative. Throws ShapeError when the tensor has no such axis. */
export const dimOf = (operation: string, shape: Shape, axis: number): number => {
  const dim = shape.at(axis)
  if (dim === undefined) throw new ShapeError(operation, `a tensor with an axis ${axis}`, showShape(shape))
  return dim
}

/** An axis as an index from 0; negative ones count from the end. Throws ShapeError when the shape has no such axis. */
export const axisOf = (operation: string, shape: Shape, axis: number): number => {
  dimOf(operation, shape, axis)
  return axis < 0 ? axis + shape.length : axis
}

/** Throws ShapeError unless the tensor has the shape; `undefined` in `expected` allows any size there. */
export const checkShape = (
  operation: string,
  name: string,
  tensor: Tensor,
  expected: ReadonlyArray<number | undefined>
): void => {
  const fits = tensor.shape.length === expected.length &&
    expected.every((dim, i) => dim === undefined || dim === tensor.shape[i])
  if (!fits) {
    const wanted = `[${expected.map((dim) => dim ?? "any").join(", ")}]`
    throw new ShapeError(operation, `${name} of shape ${wanted}`, showShape(tensor.shape))
  }
}

/** The three sizes of a rank-3 tensor. Throws ShapeError for another rank. */
export const dims3 = (operation: string, name: string, tensor: Tensor): readonly [number, number, number] => {
  const [a, b, c] = tensor.shape
  if (tensor.shape.length !== 3 || a === undefined || b === undefined || c === undefined) {
    throw new ShapeError(operation, `${name} of rank 3`, showShape(tensor.shape))
  }
  return [a, b, c]
}

/** The two sizes of a matrix. Throws ShapeError for another rank. */
export const dims2 = (operation: string, name: string, tensor: Tensor): readonly [number, number] => {
  const [a, b] = tensor.shape
  if (tensor.shape.length !== 2 || a === undefined || b === undefined) {
    throw new ShapeError(operation, `${name} of rank 2`, showShape(tensor.shape))
  }
  return [a, b]
}

/** The number of heads divides the width and, for differential attention, is even; ShapeError says which is broken. */
export const headDimOf = (operation: string, width: number, numHeads: number, isPaired: boolean): number => {
  if (!Number.isInteger(numHeads) || numHeads < 1 || width % numHeads !== 0) {
    throw new ShapeError(operation, `numHeads that divides the width ${width}`, `numHeads ${numHeads}`)
  }
  if (isPaired && numHeads % 2 !== 0) {
    throw new ShapeError(operation, "an even numHeads (heads pair as 2j and 2j + 1)", `numHeads ${numHeads}`)
  }
  return width / numHeads
}
