import * as tf from "@tensorflow/tfjs-core"
import type { TensorInfo } from "@tensorflow/tfjs-core"
import { sizeOf } from "../../../tensor/index.ts"
import type { Gpu } from "../gpu.ts"
import { type Replacement, stock } from "../tfjs.ts"
import { product } from "./gemm.ts"

/** An axis of a batch: how long it is, and how far apart its matrices are in a, b and the result. */
export interface BatchAxis {
  readonly size: number
  readonly strides: readonly [a: number, b: number, c: number]
}

/** Strides of a shape's axes in elements, 0 where it has length 1 and is repeated. */
const stridesOf = (shape: ReadonlyArray<number>, rank: number, matrix: number): ReadonlyArray<number> => {
  const padded = [...Array<number>(rank - shape.length).fill(1), ...shape]
  return padded.map((size, i) => size === 1 ? 0 : matrix * sizeOf(padded.slice(i + 1)))
}

/** The axes of a broadcast batch, from the outermost, those of length 1 left out and those that go together joined. */
export const batchAxes = (
  a: ReadonlyArray<number>,
  b: ReadonlyArray<number>,
  matrices: readonly [a: number, b: number, c: number]
): ReadonlyArray<BatchAxis> => {
  const lead = tf.backend_util.assertAndGetBroadcastShape([...a], [...b])
  const [ofA, ofB, ofC] = [a, b, lead].map((shape, i) => stridesOf(shape, lead.length, matrices[i] ?? 0))
  const axes = lead.map((size, i): BatchAxis => ({
    size,
    strides: [ofA?.[i] ?? 0, ofB?.[i] ?? 0, ofC?.[i] ?? 0]
  }))
  return axes.filter(({ size }) => size !== 1).reduce<ReadonlyArray<BatchAxis>>((joined, axis) => {
    const last = joined.at(-1)
    const goes = last?.strides.every((stride, i) => stride === (axis.strides[i] ?? 0) * axis.size) ?? false
    return last === undefined || !goes ?
      [...joined, axis] :
      [...joined.slice(0, -1), { size: last.size * axis.size, strides: axis.strides }]
  }, [])
}

const one: BatchAxis = { size: 1, strides: [0, 0, 0] }

/** First elements of a, b and the result for each step of the axes that one dispatch does not cover. */
const startsOf = (axes: ReadonlyArray<BatchAxis>): ReadonlyArray<BatchAxis["strides"]> =>
  axes.reduce<ReadonlyArray<BatchAxis["strides"]>>(
    (starts, { size, strides }) =>
      starts.flatMap(([a, b, c]) =>
        Array.from({ length: size }, (_, i) => [a + i * strides[0], b + i * strides[1], c + i * strides[2]] as const)
      ),
    [[0, 0, 0]]
  )

const matMul = (
  gpu: Gpu,
  { a, b }: Readonly<Record<"a" | "b", TensorInfo>>,
  { transposeA, transposeB }: tf.BatchMatMulAttrs
): TensorInfo => {
  const [aRows = 1, aCols = 1] = a.shape.slice(-2)
  const [bRows = 1, bCols = 1] = b.shape.slice(-2)
  const [m, k] = transposeA ? [aCols, aRows] : [aRows, aCols]
  const [kOfB, n] = transposeB ? [bCols, bRows] : [bRows, bCols]
  if (a.dtype !== "float32" || b.dtype !== "float32" || k !== kOfB) {
    const shapes = [a, b].map(({ shape, dtype }) => `[${shape.join(", ")}] ${dtype}`).join(" and ")
    throw new Error(`BatchMatMul: expected float32 matrices whose inner dimensions agree, found ${shapes}`)
  }
  const lead = tf.backend_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2))
  const axes = batchAxes(a.shape.slice(0, -2), b.shape.slice(0, -2), [aRows * aCols, bRows * bCols, m * n])
  const [inner = one, outer = one] = axes.slice(-2).reverse()
  const y = gpu.output([...lead, m, n])
  for (const [aFrom, bFrom, cFrom] of startsOf(axes.slice(0, -2))) {
    const batch = (i: 0 | 1 | 2) => ({ inner: inner.strides[i], outer: outer.strides[i] })
    product(gpu, {
      ...{ m, n, k, inner: inner.size, outer: outer.size },
      a: { tensor: a, from: aFrom, row: aCols, order: transposeA ? "transposed" : "plain", ...batch(0) },
      b: { tensor: b, from: bFrom, row: bCols, order: transposeB ? "transposed" : "plain", ...batch(1) },
      c: { tensor: y, from: cFrom, row: n, ...batch(2) }
    })
  }
  return y
}

/** tfjs's product of batches of matrices, with every broadcast of the batch. */
export const matMulKernels: ReadonlyArray<Replacement> = [
  stock<"a" | "b", tf.BatchMatMulAttrs>("BatchMatMul", matMul)
]
