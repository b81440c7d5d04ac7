import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"

/** Settings of a kernel: plain data, as tfjs's registry takes it. */
export type Attrs = Readonly<Record<string, number | boolean | string | Array<number>>>

/**
 * One raw operation on tensors, below the tape. `name` is what a backend registers a kernel under; `compose` defines
 * the operation with plain tfjs kernels and runs where the backend in use has none. Every fused kernel is tested
 * against it. `outputs` names the results in the order in which a kernel returns them.
 */
export interface Fused<In extends string, A extends Attrs, Out extends string> {
  readonly name: string
  readonly outputs: ReadonlyArray<Out>
  readonly compose: (inputs: Readonly<Record<In, Tensor>>, attrs: A) => Readonly<Record<Out, Tensor>>
}

/** The same for an operation on a list of tensors of any length; the composition says how many results there are. */
export interface FusedList<A extends Attrs> {
  readonly name: string
  readonly compose: (inputs: ReadonlyArray<Tensor>, attrs: A) => ReadonlyArray<Tensor>
}

/** Whether the backend in use has a kernel of that name. */
export const hasKernel = (name: string): boolean => tf.getKernel(name, tf.getBackend()) !== undefined

/** Runs a fused operation on the backend in use: its kernel if there is one, else the composition. */
export const run = <In extends string, A extends Attrs, Out extends string>(
  fused: Fused<In, A, Out>,
  inputs: Readonly<Record<In, Tensor>>,
  attrs: A
): Readonly<Record<Out, Tensor>> => {
  if (!hasKernel(fused.name)) return fused.compose(inputs, attrs)
  const result = tf.engine().runKernel<Tensor | Array<Tensor>>(fused.name, inputs, { ...attrs })
  const tensors = Array.isArray(result) ? result : [result]
  if (tensors.length !== fused.outputs.length) {
    throw new Error(`${fused.name}: the kernel gave ${tensors.length} outputs, ${fused.outputs.length} are declared`)
  }
  // tfjs's registry is untyped; the declared outputs are checked by count above and by the kernel tests by value.
  return Object.fromEntries(fused.outputs.map((name, i) => [name, tensors[i]])) as Readonly<Record<Out, Tensor>>
}

/** Runs an operation on a list on the backend in use: its kernel if there is one, else the composition. */
export const runList = <A extends Attrs>(
  fused: FusedList<A>,
  inputs: ReadonlyArray<Tensor>,
  attrs: A
): ReadonlyArray<Tensor> => {
  if (!hasKernel(fused.name)) return fused.compose(inputs, attrs)
  // Keys that are whole numbers keep their order in an object.
  const named = Object.fromEntries(inputs.map((tensor, i) => [i, tensor]))
  const result = tf.engine().runKernel<Tensor | Array<Tensor>>(fused.name, named, { ...attrs })
  return Array.isArray(result) ? result : [result]
}

/** Reshapes without copying. */
export const view = (x: Tensor, shape: ReadonlyArray<number>): Tensor => tf.reshape(x, [...shape])

/** A tensor as a matrix of rows: all axes but the last are one. */
export const asRows = (x: Tensor): Tensor => view(x, [-1, x.shape.at(-1) ?? 1])
