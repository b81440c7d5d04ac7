import type { TensorInfo } from "@tensorflow/tfjs-core"
import type * as tf from "@tensorflow/tfjs-core"
import { written } from "../address.ts"
import type { ArenaBackend } from "../backend.ts"
import { type Registration, stock } from "../tfjs.ts"

/** Operation numbers of the `unaryMap` kernel. */
export const unaryOps = {
  exp: 0,
  sqrt: 1,
  neg: 2,
  square: 3,
  rsqrt: 4,
  sigmoid: 5,
  abs: 6,
  reciprocal: 7,
  gelu: 8,
  quickGelu: 9
} as const

/** Operation numbers of the `binaryMap` kernel; the last two take (dy, x). */
export const binaryOps = {
  add: 0,
  sub: 1,
  mul: 2,
  div: 3,
  reversedSub: 4,
  reversedDiv: 5,
  max: 6,
  min: 7,
  geluGrad: 8,
  quickGeluGrad: 9
} as const

const sizeOf = (info: TensorInfo): number => info.shape.reduce((x, y) => x * y, 1)

/** Element operations count for less than those that go through exp. */
const COSTLY = 8

/** y = op(x), elementwise. */
export const mapUnary = (cpu: ArenaBackend, op: keyof typeof unaryOps, x: TensorInfo): TensorInfo => {
  const y = cpu.output(x.shape)
  const size = sizeOf(x)
  const isCheap = op === "neg" || op === "square" || op === "abs"
  cpu.run("unaryMap", [unaryOps[op], cpu.address(x), written(y.address), size], [], isCheap ? size : size * COSTLY)
  return y.info
}

/** y = op(a, b) for two tensors of one shape. */
export const mapBinary = (cpu: ArenaBackend, op: keyof typeof binaryOps, a: TensorInfo, b: TensorInfo): TensorInfo => {
  const y = cpu.output(a.shape)
  const size = sizeOf(a)
  const words = [binaryOps[op], 0, cpu.address(a), cpu.address(b), written(y.address), 1, size]
  cpu.run("binaryMap", words, [], binaryOps[op] >= binaryOps.geluGrad ? size * COSTLY : size)
  return y.info
}

type Spread = { readonly mode: number; readonly rows: number; readonly cols: number }

/** How `small` repeats over `big`: not at all, a scalar, a row, or a number per row. */
const spreadOf = (big: TensorInfo, small: TensorInfo): Spread | undefined => {
  const size = sizeOf(big), part = sizeOf(small)
  if (small.shape.length > big.shape.length) return undefined
  if (part === 1) return { mode: 1, rows: 1, cols: size }
  const lead = big.shape.length - small.shape.length
  const padded = [...big.shape.slice(0, lead).map(() => 1), ...small.shape]
  const firstKept = padded.findIndex((dim) => dim !== 1)
  const lastKept = padded.findLastIndex((dim) => dim !== 1)
  if (padded.slice(firstKept, lastKept + 1).some((dim, i) => dim !== big.shape[firstKept + i])) return undefined
  const before = big.shape.slice(0, firstKept).reduce((x, y) => x * y, 1)
  const after = big.shape.slice(lastKept + 1).reduce((x, y) => x * y, 1)
  if (after === 1) return before === 1 ? { mode: 0, rows: 1, cols: size } : { mode: 2, rows: before, cols: part }
  return before === 1 ? { mode: 3, rows: part, cols: after } : undefined
}

const binary = (kernelName: string, op: keyof typeof binaryOps, reversed: keyof typeof binaryOps): Registration =>
  stock<"a" | "b", unknown>(kernelName, (cpu, { a, b }) => {
    if (a.dtype !== "float32" || b.dtype !== "float32" || sizeOf(a) === 0 || sizeOf(b) === 0) return undefined
    const isSwapped = sizeOf(b) > sizeOf(a) || b.shape.length > a.shape.length
    const [big, small] = isSwapped ? [b, a] : [a, b]
    const spread = spreadOf(big, small)
    if (spread === undefined) return undefined
    const y = cpu.output(big.shape)
    const code = binaryOps[isSwapped ? reversed : op]
    const words = [
      code,
      spread.mode,
      cpu.address(big),
      cpu.address(small),
      written(y.address),
      spread.rows,
      spread.cols
    ]
    cpu.run("binaryMap", words, [], sizeOf(big))
    return y.info
  })

const unary = (kernelName: string, op: keyof typeof unaryOps): Registration =>
  stock<"x", unknown>(kernelName, (cpu, { x }) => x.dtype === "float32" ? mapUnary(cpu, op, x) : undefined)

const fillWith = (cpu: ArenaBackend, shape: ReadonlyArray<number>, value: number): TensorInfo => {
  const y = cpu.output(shape)
  const size = sizeOf(y.info)
  cpu.run("fill", [written(y.address), size, bitsOf(value)], [], size)
  return y.info
}

const bitsOf = (value: number): number => new Uint32Array(new Float32Array([value]).buffer)[0] ?? 0

/** Arithmetic with the broadcasts that models use, elementwise functions, and constant tensors. */
export const elementwiseKernels: ReadonlyArray<Registration> = [
  binary("Add", "add", "add"),
  binary("Sub", "sub", "reversedSub"),
  binary("Multiply", "mul", "mul"),
  binary("RealDiv", "div", "reversedDiv"),
  binary("Maximum", "max", "max"),
  binary("Minimum", "min", "min"),
  unary("Exp", "exp"),
  unary("Sqrt", "sqrt"),
  unary("Rsqrt", "rsqrt"),
  unary("Neg", "neg"),
  unary("Abs", "abs"),
  unary("Square", "square"),
  unary("Sigmoid", "sigmoid"),
  unary("Reciprocal", "reciprocal"),
  stock<never, tf.FillAttrs>(
    "Fill",
    (cpu, _, { shape, value, dtype }) =>
      typeof value === "number" && (dtype === undefined || dtype === "float32") ?
        fillWith(cpu, shape, value) :
        undefined
  ),
  stock<"x", unknown>("ZerosLike", (cpu, { x }) => x.dtype === "float32" ? fillWith(cpu, x.shape, 0) : undefined),
  stock<"x", unknown>("OnesLike", (cpu, { x }) => x.dtype === "float32" ? fillWith(cpu, x.shape, 1) : undefined)
]
