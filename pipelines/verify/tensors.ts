import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import type { Value } from "../../lib/tensor/index.ts"
import { value } from "../../lib/tensor/index.ts"
import type { Reading } from "../reading.ts"
import { mapReading, readingOf } from "../reading.ts"
import type { Golden } from "./golden.ts"
import { GoldenProblem } from "./golden.ts"

/** What becomes of the numbers of a value that a unit made and that nobody uses after it. */
export const reading = <A>(x: Value, make: (numbers: Float32Array) => A): Reading<A> =>
  mapReading(readingOf(x.tensor), make)

/** A stored tensor's numbers and shape, the latter checked where `shape` is given. Throws GoldenProblem. */
export const stored = (
  golden: Golden,
  name: string,
  shape?: ReadonlyArray<number>
): { readonly shape: ReadonlyArray<number>; readonly data: Float32Array | Float64Array | Uint8Array } => {
  const found = golden.tensor(name)
  if (shape !== undefined && shape.join() !== found.shape.join()) {
    throw new GoldenProblem(`expected ${name} of shape [${shape.join(", ")}], the file has [${found.shape.join(", ")}]`)
  }
  return found
}

/** A stored tensor on the backend in use, for the scope that it is made in. */
export const tensorOf = (
  golden: Golden,
  name: string,
  shape?: ReadonlyArray<number>,
  dtype: "float32" | "int32" = "float32"
): Tensor => {
  const found = stored(golden, name, shape)
  return tf.tensor(
    dtype === "int32" ? Int32Array.from(found.data) : Float32Array.from(found.data),
    [...found.shape],
    dtype
  )
}

/** The same as a value without a gradient. */
export const valueOf = (golden: Golden, name: string, shape?: ReadonlyArray<number>): Value =>
  value(tensorOf(golden, name, shape))

/** The single number of a stored [1], as a scalar value. */
export const scalarOf = (golden: Golden, name: string): Value =>
  value(tf.scalar(stored(golden, name, [1]).data[0] ?? Number.NaN))
