import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import { Effect } from "effect"
import type { SpecTree } from "../nn/index.ts"
import { mapSpecs } from "../nn/index.ts"
import type { Params, Shape } from "../tensor/index.ts"
import { leavesOf, sameShape, ShapeError, showShape, sizeOf, value } from "../tensor/index.ts"

/** The numbers of a leaf, row-major, off the device. `path` is the leaf's path in its tree. */
export interface NamedArray {
  readonly path: string
  readonly shape: Shape
  readonly data: Float32Array
}

/** Arrays by path. */
export type Arrays = ReadonlyMap<string, NamedArray>

/**
 * All leaves of a tree off the device, in the tree's order, by the engine's own way of reading, which knows whether its
 * device still is to be trusted. Nothing may free or overwrite the tree before it is done.
 */
export const readArrays = <E>(
  tree: Params,
  read: (tensor: Tensor) => Effect.Effect<Float32Array, E>
): Effect.Effect<ReadonlyArray<NamedArray>, E> =>
  Effect.forEach(
    leavesOf(tree),
    ({ path, value: { tensor } }) => Effect.map(read(tensor), (data) => ({ path, shape: [...tensor.shape], data }))
  )

const found = (arrays: Arrays, path: string, shape: Shape): Float32Array => {
  const array = arrays.get(path)
  if (array === undefined) throw new ShapeError("paramsFrom", `an array at ${path}`, "none")
  if (!sameShape(array.shape, shape) || array.data.length !== sizeOf(shape)) {
    throw new ShapeError("paramsFrom", `${showShape(shape)} at ${path}`, showShape(array.shape))
  }
  return array.data
}

const keep = (data: Float32Array, shape: Shape) => value(tf.keep(tf.tensor(data, [...shape], "float32")))

/**
 * The parameter tree of `specs` with the numbers of `arrays`, as kept tensors on the current backend; the caller owns
 * them. A backend may use the arrays' memory as its own: do not write to them afterwards. Throws ShapeError where a
 * path is missing or a shape differs (a strict load has checked both).
 */
export const paramsFrom = <P extends Params>(specs: SpecTree<P>, arrays: Arrays): P =>
  mapSpecs<P>(specs, ({ path, spec }) => keep(found(arrays, path, spec.shape), spec.shape))
