import "@tensorflow/tfjs-backend-cpu"
import "../../stockTfjs.ts"
import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import { afterAll, beforeAll, expect } from "vitest"
import { type CpuEngine, registerCpu } from "../../../lib/backend/cpu/register.ts"
import { type Attrs, type Fused, run } from "../../../lib/ops/kernel.ts"
import { fold, keyOf, normal } from "../../../lib/tensor/index.ts"

/** Opens the engine for a test file and closes it at the end. */
export const useEngine = (threads = 1): { readonly engine: () => CpuEngine } => {
  let opened: CpuEngine | undefined
  beforeAll(async () => {
    opened = await registerCpu({ threads, arithmetic: "deterministic" })
    await tf.setBackend("diffclip-cpu")
  })
  afterAll(() => opened?.close())
  return {
    engine: () => {
      if (opened === undefined) throw new Error("the engine is not open")
      return opened
    }
  }
}

/** Normal numbers named by a word. */
export const numbers = (name: string, length: number, deviation = 1): Float32Array =>
  normal(fold(keyOf(11), name), length, deviation)

/** Numbers with a shape, not yet on a backend. */
export interface Numbers {
  readonly shape: ReadonlyArray<number>
  readonly values: ArrayLike<number>
  readonly dtype?: "int32" | "bool"
}

/** Normal numbers of a shape. */
export const noise = (name: string, shape: ReadonlyArray<number>, deviation = 1): Numbers => ({
  shape,
  values: numbers(name, shape.reduce((a, b) => a * b, 1), deviation)
})

/** Makes tensors of `inputs` on a backend, calls `program` and reads all its results. */
export const evaluate = (
  backend: "cpu" | "diffclip-cpu",
  inputs: Readonly<Record<string, Numbers>>,
  program: (inputs: Readonly<Record<string, Tensor>>) => Readonly<Record<string, Tensor>>
): Readonly<Record<string, Numbers>> => {
  tf.setBackend(backend)
  const before = tf.memory().numTensors
  const found: Record<string, Numbers> = {}
  tf.tidy(() => {
    const tensors = Object.fromEntries(
      Object.entries(inputs).map(([name, { shape, values, dtype }]) => [
        name,
        tf.tensor(
          dtype === "int32" ? Int32Array.from(values) : Float32Array.from(values),
          [...shape],
          dtype ?? "float32"
        )
      ])
    )
    for (const [name, tensor] of Object.entries(program(tensors))) {
      found[name] = { shape: tensor.shape, values: tensor.dataSync().slice() }
    }
  })
  expect(tf.memory().numTensors).toBe(before)
  tf.setBackend("diffclip-cpu")
  return found
}

/** The largest difference, relative to max(1, largest expected number); NaN only matches NaN, infinities themselves. */
export const distance = (found: ArrayLike<number>, expected: ArrayLike<number>): number => {
  expect(found.length).toBe(expected.length)
  let worst = 0
  let size = 1
  for (let i = 0; i < expected.length; i++) {
    const [a = 0, b = 0] = [found[i], expected[i]]
    if (Object.is(a, b)) continue
    worst = Math.max(worst, Number.isNaN(a) && Number.isNaN(b) ? 0 : Math.abs(a - b))
    if (Number.isFinite(b)) size = Math.max(size, Math.abs(b))
  }
  return worst / size
}

/** Fails unless every output has the expected shape and numbers. */
export const expectClose = (
  found: Readonly<Record<string, Numbers>>,
  expected: Readonly<Record<string, Numbers>>,
  limit: number
): void => {
  expect(Object.keys(found).sort()).toEqual(Object.keys(expected).sort())
  for (const [name, { shape, values }] of Object.entries(expected)) {
    expect(found[name]?.shape, name).toEqual(shape)
    expect(distance(found[name]?.values ?? [], values), name).toBeLessThanOrEqual(limit)
  }
}

/**
 * Runs an operation's kernel on the engine and its composition on tfjs's cpu backend and compares all outputs; the
 * kernel's are returned. Both sum in float32 in different orders: 1e-5 of the largest number is 80 roundings.
 */
export const expectComposition = <In extends string, A extends Attrs, Out extends string>(
  operation: Fused<In, A, Out>,
  inputs: Readonly<Record<In, Numbers>>,
  attrs: A,
  limit = 1e-5
): Readonly<Record<string, Numbers>> => {
  expect(tf.getKernel(operation.name, "diffclip-cpu"), operation.name).toBeDefined()
  const program = (tensors: Readonly<Record<In, Tensor>>): Readonly<Record<Out, Tensor>> =>
    run(operation, tensors, attrs)
  const found = evaluate("diffclip-cpu", inputs, program)
  expectClose(found, evaluate("cpu", inputs, program), limit)
  return found
}
