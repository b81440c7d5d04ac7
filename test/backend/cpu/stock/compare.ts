import type { Tensor } from "@tensorflow/tfjs-core"
import * as fc from "fast-check"
import { fold, keyOf, uniform } from "../../../../lib/tensor/index.ts"
import { evaluate, expectClose, type Numbers } from "../engine.ts"

/** A tensor of a program's inputs. */
export const need = (tensor: Tensor | undefined): Tensor => {
  if (tensor === undefined) throw new Error("no such input")
  return tensor
}

type Inputs<Name extends string> = Readonly<Record<Name, Numbers>>

/** Runs a program on our engine and on tfjs's cpu backend and compares its results: shapes, types and numbers. */
export const same = <Name extends string>(
  inputs: Inputs<Name>,
  program: (tensors: Readonly<Record<Name, Tensor>>) => Tensor | ReadonlyArray<Tensor>,
  limit = 1e-5
): void => {
  const types: Array<ReadonlyArray<string>> = []
  const outputs = (tensors: Readonly<Record<Name, Tensor>>): Readonly<Record<string, Tensor>> => {
    const result = program(tensors)
    const all: ReadonlyArray<Tensor> = "dataId" in result ? [result] : result
    types.push(all.map(({ dtype }) => dtype))
    return Object.fromEntries(all.map((tensor, i) => [`result ${i}`, tensor]))
  }
  const found = evaluate("diffclip-cpu", inputs, outputs)
  expectClose(found, evaluate("cpu", inputs, outputs), limit)
  if (`${types[0]}` !== `${types[1]}`) throw new Error(`expected ${types[1]}, found ${types[0]}`)
}

/** A type that the engine knows. */
export type Type = "float32" | "int32" | "bool"

/** Numbers of a shape and type: whole ones from -4 to 4 for int32, with zeros, NaN and infinities where asked for. */
export const numbersOf = (
  name: string,
  shape: ReadonlyArray<number>,
  type: Type,
  isWild = false
): Numbers => {
  const length = shape.reduce((a, b) => a * b, 1)
  const values = uniform(fold(keyOf(5), name), length, -4.5, 4.5)
  const special = [0, NaN, Infinity, -Infinity, -0]
  if (type === "float32") return { shape, values: isWild ? values.map((v, i) => special[i % 7] ?? v) : values }
  return { shape, values: values.map((v) => type === "bool" ? Number(v > 0) : Math.round(v)), dtype: type }
}

/** Shapes of `0..maxRank` axes of `0..maxDim` numbers. */
export const shapes = (maxRank: number, minDim = 0, maxDim = 5): fc.Arbitrary<ReadonlyArray<number>> =>
  fc.array(fc.integer({ min: minDim, max: maxDim }), { maxLength: maxRank })

/** Two shapes that broadcast. */
export const pairs: fc.Arbitrary<readonly [ReadonlyArray<number>, ReadonlyArray<number>]> = fc
  .tuple(
    fc.array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.constantFrom("both", "both", "a", "b")), { maxLength: 5 }),
    fc.integer({ min: 0, max: 3 }),
    fc.boolean()
  )
  .map(([axes, cut, isSwapped]) => {
    const a = axes.map(([dim, side]) => side === "b" ? 1 : dim)
    const b = axes.map(([dim, side]) => side === "a" ? 1 : dim).slice(Math.min(cut, axes.length))
    return isSwapped ? [b, a] : [a, b]
  })
