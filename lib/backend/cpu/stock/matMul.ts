import type { TensorInfo } from "@tensorflow/tfjs-core"
import type * as tf from "@tensorflow/tfjs-core"
import { written } from "../address.ts"
import type { ArenaBackend, Output } from "../backend.ts"
import { type Registration, stock } from "../tfjs.ts"

/** One operand as the GEMM reads it: address and strides in elements. */
export interface Operand {
  readonly address: number
  readonly row: number
  readonly column: number
  /** Elements from one matrix of a batch to the next; 0 repeats one matrix. */
  readonly batch: number
}

/** What to multiply and where to put it. */
export interface Gemm {
  readonly batch?: number
  readonly m: number
  readonly n: number
  readonly k: number
  readonly a: Operand
  readonly b: Operand
  readonly c: { readonly address: number; readonly row: number; readonly batch: number }
  readonly alpha?: number
  readonly mode?: "set" | "add"
  /** Address of a row [n] added to every row of the result. */
  readonly bias?: number
}

/** C (=, +=) alpha A B (+ bias), on all threads when it pays. */
export const gemm = (
  cpu: ArenaBackend,
  { batch = 1, m, n, k, a, b, c, alpha = 1, mode = "set", bias = 0 }: Gemm
): void => {
  const words = [
    ...[batch, m, n, k],
    ...[a.address, a.row, a.column, a.batch],
    ...[b.address, b.row, b.column, b.batch],
    ...[written(c.address), c.row, c.batch, mode === "add" ? 1 : 0, bias]
  ]
  cpu.run("gemm", words, [alpha], batch * m * n * k / 16)
}

/** A matrix [rows, columns] stored row by row, or its transpose. */
export const matrix = (address: number, columns: number, isTransposed = false, batch = 0): Operand =>
  isTransposed ? { address, row: 1, column: columns, batch } : { address, row: columns, column: 1, batch }

interface Inputs {
  readonly a: TensorInfo
  readonly b: TensorInfo
  readonly bias?: TensorInfo
  readonly preluActivationWeights?: TensorInfo
}

const multiply = (
  cpu: ArenaBackend,
  { a, b, bias }: Inputs,
  { transposeA, transposeB }: tf.BatchMatMulAttrs
): Output | undefined => {
  if (a.dtype !== "float32" || b.dtype !== "float32") return undefined
  const aBatch = a.shape.slice(0, -2), bBatch = b.shape.slice(0, -2)
  const [aRows = 1, aCols = 1] = a.shape.slice(-2)
  const [bRows = 1, bCols = 1] = b.shape.slice(-2)
  const countA = aBatch.reduce((x, y) => x * y, 1), countB = bBatch.reduce((x, y) => x * y, 1)
  const isSame = aBatch.length === bBatch.length && aBatch.every((dim, i) => dim === bBatch[i])
  if (!isSame && countA !== 1 && countB !== 1) return undefined
  const [m, k] = transposeA ? [aCols, aRows] : [aRows, aCols]
  const [kOfB, n] = transposeB ? [bCols, bRows] : [bRows, bCols]
  if (k !== kOfB || (bias !== undefined && bias.shape.reduce((x, y) => x * y, 1) !== n)) return undefined
  const lead = aBatch.length >= bBatch.length && countA >= countB ? aBatch : bBatch
  const out = cpu.output([...lead, m, n])
  gemm(cpu, {
    batch: Math.max(countA, countB),
    m,
    n,
    k,
    a: matrix(cpu.address(a), aCols, transposeA, countA === 1 ? 0 : aRows * aCols),
    b: matrix(cpu.address(b), bCols, transposeB, countB === 1 ? 0 : bRows * bCols),
    c: { address: out.address, row: n, batch: m * n },
    bias: bias === undefined ? 0 : cpu.address(bias)
  })
  return out
}

/** BatchMatMul, and _FusedMatMul where its activation is none. */
export const matMulKernels: ReadonlyArray<Registration> = [
  stock<"a" | "b", tf.BatchMatMulAttrs>("BatchMatMul", (cpu, inputs, attrs) => multiply(cpu, inputs, attrs)?.info),
  stock<"a" | "b" | "bias" | "preluActivationWeights", tf._FusedMatMulAttrs>(
    "_FusedMatMul",
    (cpu, inputs, attrs) =>
      attrs.activation === "linear" && inputs.preluActivationWeights === undefined ?
        multiply(cpu, inputs, attrs)?.info :
        undefined
  )
]
