import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import { expect } from "vitest"
import { type Attrs, type Fused, hasKernel, run } from "../../lib/ops/kernel.ts"
import { fold, keyOf, normal, sizeOf } from "../../lib/tensor/index.ts"
import { onGpu } from "./device.ts"

/** An input of a kernel: numbers of a shape. */
export interface Host {
  readonly shape: ReadonlyArray<number>
  readonly values: Float32Array | Int32Array
}

/** Standard normal numbers times `factor`, the same for the same name. */
export const normals = (name: string, shape: ReadonlyArray<number>, factor = 1): Host => ({
  shape,
  values: normal(fold(keyOf(11), name), sizeOf(shape), factor)
})

/** Whole numbers. */
export const integers = (shape: ReadonlyArray<number>, values: ReadonlyArray<number>): Host => ({
  shape,
  values: Int32Array.from(values)
})

const upload = ({ shape, values }: Host): Tensor =>
  tf.tensor(values.slice(), [...shape], values instanceof Int32Array ? "int32" : "float32")

/** The numbers of every output of an operation. */
export type Outputs<Out extends string> = Readonly<Record<Out, Float32Array>>

const namesOf = <Out extends string>(outputs: Readonly<Record<Out, unknown>>): ReadonlyArray<Out> =>
  Object.keys(outputs) as Array<Out & string>

const uploadAll = <In extends string>(inputs: Readonly<Record<In, Host>>): Readonly<Record<In, Tensor>> =>
  Object.fromEntries(namesOf(inputs).map((name) => [name, upload(inputs[name])])) as Readonly<Record<In, Tensor>>

/** An operation by our kernel on the adapter. Fails where there is no kernel, or the device reported an error. */
export const byKernel = async <In extends string, A extends Attrs, Out extends string>(
  operation: Fused<In, A, Out>,
  inputs: Readonly<Record<In, Host>>,
  attrs: A
): Promise<Outputs<Out>> => {
  const before = tf.memory().numTensors
  const { given, results } = await onGpu(() => {
    expect(hasKernel(operation.name), `a kernel ${operation.name}`).toBe(true)
    const given = uploadAll(inputs)
    return { given, results: run(operation, given, attrs) }
  })
  const read: Array<readonly [Out, Float32Array]> = []
  for (const name of namesOf(results)) {
    // An update in place may have left a copy on the host.
    read.push([name, Float32Array.from(await results[name].data())])
  }
  tf.dispose([...namesOf(given).map((name) => given[name]), ...namesOf(results).map((name) => results[name])])
  expect(tf.memory().numTensors, "tensors left").toBe(before)
  return Object.fromEntries(read) as Outputs<Out>
}

/** The same operation by its composition, in tfjs's reference backend on the CPU. */
export const byComposition = <In extends string, A extends Attrs, Out extends string>(
  operation: Fused<In, A, Out>,
  inputs: Readonly<Record<In, Host>>,
  attrs: A
): Outputs<Out> => {
  tf.setBackend("cpu")
  let found: Outputs<Out> | undefined
  tf.tidy(() => {
    const results = operation.compose(uploadAll(inputs), attrs)
    const read = namesOf(results).map((name) => [name, Float32Array.from(results[name].dataSync())] as const)
    found = Object.fromEntries(read) as Outputs<Out>
  })
  if (found === undefined) throw new Error("the composition did not run")
  return found
}

/** The largest difference, relative to max(1, the largest expected number). A NaN on one side only is Infinity. */
export const errorOf = (found: Float32Array, expected: Float32Array): number => {
  expect(found.length, "numbers").toBe(expected.length)
  const scale = expected.reduce((most, value) => Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most, 1)
  return found.reduce((worst, value, i) => {
    const wanted = expected[i] ?? Number.NaN
    if (Object.is(value, wanted) || value === wanted) return worst
    const error = Math.abs(value - wanted) / scale
    return Number.isNaN(error) ? Infinity : Math.max(worst, error)
  }, 0)
}

/** Runs an operation both ways and expects every output within `limit`. */
export const expectAgreement = async <In extends string, A extends Attrs, Out extends string>(
  operation: Fused<In, A, Out>,
  inputs: Readonly<Record<In, Host>>,
  attrs: A,
  limit: number
): Promise<Outputs<Out>> => {
  const found = await byKernel(operation, inputs, attrs)
  const expected = byComposition(operation, inputs, attrs)
  for (const name of namesOf(expected)) {
    expect(errorOf(found[name], expected[name]), `${operation.name}: ${name}`).toBeLessThanOrEqual(limit)
  }
  return found
}
