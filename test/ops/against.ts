import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import { expect } from "vitest"
import type { Shape, Value } from "../../lib/tensor/index.ts"
import { fold, keyOf, normal, ShapeError, sizeOf, value, vjp } from "../../lib/tensor/index.ts"
import { backward, errorOf, type F64, f64, type Node, variable } from "../reference/index.ts"

/** Arrays, tensors or values by name. */
export type Named<Name extends string, A> = Readonly<Record<Name, A>>

/** The record with `make` applied to each entry. */
export const mapNamed = <Name extends string, A, B>(
  record: Named<Name, A>,
  make: (entry: A, name: string) => B
): Named<Name, B> =>
  // Object.fromEntries forgets the names, which are those of `record`.
  Object.fromEntries(Object.entries<A>(record).map(([name, entry]) => [name, make(entry, name)])) as Named<Name, B>

/** Normal numbers that float32 holds exactly, a function of (seed, name): what both sides of a comparison get. */
export const noise = (seed: number, name: string, shape: Shape, std: number = 1): F64 =>
  f64(shape, normal(fold(keyOf(seed), name), sizeOf(shape), std))

/** A tensor of an array; the caller's. */
export const tensorOf = ({ shape, data }: F64): Tensor => tf.tensor(Float32Array.from(data), [...shape], "float32")

/** The numbers of a tensor, which stays. */
export const arrayOf = (tensor: Tensor): F64 => f64(tensor.shape, Array.from(tensor.dataSync()))

/** The numbers of a tensor, which is freed. */
export const take = (tensor: Tensor): F64 => {
  const array = arrayOf(tensor)
  tensor.dispose()
  return array
}

/** The result of a pass without gradients; all tensors are freed. */
export const forwardOf = <Name extends string>(
  inputs: Named<Name, F64>,
  program: (inputs: Named<Name, Value>) => Value
): F64 => {
  const result = tf.tidy(() => program(mapNamed(inputs, (input) => value(tensorOf(input)))).tensor)
  return take(result)
}

/** Output and gradients of sum(output * seed) by our tape; all tensors are freed. */
export const differentiate = <Name extends string>(
  inputs: Named<Name, F64>,
  program: (inputs: Named<Name, Value>) => Value,
  seedOf: (shape: Shape) => F64
): { readonly out: F64; readonly grads: Named<Name, F64> } => {
  const params = mapNamed(inputs, (input) => value(tensorOf(input)))
  const { outputs, pullback } = vjp(params, (lifted) => ({ out: program(lifted) }))
  const seed = tensorOf(seedOf(outputs.out.tensor.shape))
  const grads = pullback({ out: seed })
  seed.dispose()
  const out = take(outputs.out.tensor)
  for (const parameter of Object.values<Value>(params)) parameter.tensor.dispose()
  return { out, grads: mapNamed(grads, (grad) => take(grad.tensor)) }
}

/** One operation in two words: ours on the current engine and the oracle's. */
export interface Comparison<Name extends string> {
  readonly inputs: Named<Name, F64>
  readonly ours: (inputs: Named<Name, Value>) => Value
  readonly oracle: (inputs: Named<Name, Node>) => Node
  /** Largest allowed `errorOf`, of the output and of each gradient. Default: 1e-5 and 2e-5. */
  readonly limits?: { readonly out: number; readonly grad: number }
}

/** Float32 sums of some hundred terms of unit size: rounding of 6e-8 each, square root of the count, and slack. */
const LIMITS = { out: 1e-5, grad: 2e-5 }

/** Output, its shape and each gradient (for a random cotangent) are the oracle's within the limits. */
export const expectOracle = <Name extends string>(
  { inputs, ours, oracle, limits = LIMITS }: Comparison<Name>
): void => {
  const nodes = mapNamed(inputs, variable)
  const expected = oracle(nodes)
  const seed = noise(99, "cotangent", expected.value.shape)
  const found = differentiate(inputs, ours, () => seed)
  expect(found.out.shape, "shape").toEqual(expected.value.shape)
  expect(errorOf(found.out.data, expected.value.data), "output").toBeLessThan(limits.out)
  const gradients = backward(expected, seed)
  for (const [name, node] of Object.entries<Node>(nodes)) {
    const grad = Object.entries<F64>(found.grads).find(([key]) => key === name)?.[1]
    expect(grad?.shape, `shape of the gradient of ${name}`).toEqual(node.value.shape)
    expect(errorOf(grad?.data ?? [], gradients.of(node).data), `gradient of ${name}`).toBeLessThan(limits.grad)
  }
}

/** The call throws a ShapeError that names the operation and says what it wanted and what it got. */
export const expectShapeError = (call: () => unknown, operation: string, expected: string, found: string): void => {
  let thrown: unknown
  try {
    tf.tidy(() => {
      call()
    })
  } catch (error) {
    thrown = error
  }
  expect(thrown).toBeInstanceOf(ShapeError)
  expect(thrown).toMatchObject({ operation })
  expect(String(thrown)).toContain(expected)
  expect(String(thrown)).toContain(found)
}

/** A value of zeros, for shape checks. */
export const zeros = (...shape: ReadonlyArray<number>): Value => value(tf.zeros([...shape]))
