import type { TensorInfo } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { written } from "../address.ts"
import type { ArenaBackend } from "../backend.ts"
import { type Registration, stock } from "../tfjs.ts"
import { mapBinary } from "./binary.ts"
import { spreadOver } from "./copy.ts"
import { mapUnary } from "./elementwise.ts"
import { sizeOf, unsupported, using } from "./host.ts"
import { filled } from "./shaping.ts"

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
}

/** A product of batches of matrices; an operand whose batch is neither whole nor one matrix is repeated first. */
const multiply = (
  cpu: ArenaBackend,
  kernel: string,
  { a, b, bias }: Inputs,
  { transposeA, transposeB }: tf.BatchMatMulAttrs
): TensorInfo => {
  const operands = bias === undefined ? [a, b] : [a, b, bias]
  if (operands.some(({ dtype }) => dtype !== "float32")) throw unsupported(kernel, operands, "float32 matrices")
  const [aRows = 1, aCols = 1] = a.shape.slice(-2)
  const [bRows = 1, bCols = 1] = b.shape.slice(-2)
  const [m, k] = transposeA ? [aCols, aRows] : [aRows, aCols]
  const [kOfB, n] = transposeB ? [bCols, bRows] : [bRows, bCols]
  if (k !== kOfB) throw unsupported(kernel, [a, b], "inner dimensions that agree")
  const lead = tf.backend_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2))
  const batch = sizeOf({ shape: lead })
  const shape = [...lead, m, n]
  const isRow = bias !== undefined && sizeOf(bias) === n && bias.shape.at(-1) === n
  const operand = <A>(x: TensorInfo, isTransposed: boolean, use: (operand: Operand) => A): A => {
    const [rows = 1, cols = 1] = x.shape.slice(-2)
    const count = sizeOf({ shape: x.shape.slice(0, -2) })
    const from = (at: TensorInfo): Operand => matrix(cpu.address(at), cols, isTransposed, count === 1 ? 0 : rows * cols)
    return count === 1 || count === batch ? use(from(x)) : using(
      cpu,
      spreadOver(cpu, x, [...lead, rows, cols]),
      (whole) => use({ ...from(whole), batch: rows * cols })
    )
  }
  const product = (): TensorInfo => {
    const out = cpu.output(shape)
    const c = { address: out.address, row: n, batch: m * n }
    const at = bias !== undefined && isRow ? cpu.address(bias) : 0
    operand(a, transposeA, (a) => operand(b, transposeB, (b) => gemm(cpu, { batch, m, n, k, a, b, c, bias: at })))
    return out.info
  }
  const y = batch * m * n * k === 0 ? filled(cpu, shape, 0) : product()
  if (bias === undefined || (isRow && batch * m * n * k > 0)) return y
  return using(cpu, y, () => using(cpu, spreadOver(cpu, bias, shape), (whole) => mapBinary(cpu, "add", y, whole)))
}

const withActivation = (cpu: ArenaBackend, y: TensorInfo, { activation }: tf._FusedMatMulAttrs): TensorInfo => {
  if (activation === "linear") return y
  if (activation === "sigmoid") return using(cpu, y, () => mapUnary(cpu, "sigmoid", y))
  if (activation !== "relu") {
    throw unsupported("_FusedMatMul", [y], `no activation, relu or sigmoid, not ${activation},`)
  }
  return using(cpu, y, () => using(cpu, filled(cpu, y.shape, 0), (zeros) => mapBinary(cpu, "max", y, zeros)))
}

/** BatchMatMul with every broadcast of the batch, and _FusedMatMul. */
export const matMulKernels: ReadonlyArray<Registration> = [
  stock<"a" | "b", tf.BatchMatMulAttrs>("BatchMatMul", (cpu, inputs, attrs) => {
    return multiply(cpu, "BatchMatMul", inputs, attrs)
  }),
  stock<"a" | "b" | "bias", tf._FusedMatMulAttrs>("_FusedMatMul", (cpu, inputs, attrs) => {
    return withActivation(cpu, multiply(cpu, "_FusedMatMul", inputs, attrs), attrs)
  })
]
