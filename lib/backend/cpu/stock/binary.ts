import type { TensorInfo } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { exp, log } from "../../../tensor/index.ts"
import { written } from "../address.ts"
import type { ArenaBackend } from "../backend.ts"
import { type Registration, stock } from "../tfjs.ts"
import { spreadOver } from "./copy.ts"
import { computed, computedPairs, type HostType, sizeOf, typeOf, using, valuesOf } from "./host.ts"

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

type BinaryOp = keyof typeof binaryOps

/** Element operations count for less than those that go through exp. */
const COSTLY = 8

/** y = op(a, b) for two tensors of one shape. */
export const mapBinary = (cpu: ArenaBackend, op: BinaryOp, a: TensorInfo, b: TensorInfo): TensorInfo =>
  mapSpread(cpu, op, a, b, { mode: 0, rows: 1, cols: sizeOf(a) })

type Spread = { readonly mode: number; readonly rows: number; readonly cols: number }

const mapSpread = (
  cpu: ArenaBackend,
  op: BinaryOp,
  big: TensorInfo,
  small: TensorInfo,
  { mode, rows, cols }: Spread
): TensorInfo => {
  const y = cpu.output(big.shape)
  const size = sizeOf(big)
  const words = [binaryOps[op], mode, cpu.address(big), cpu.address(small), written(y.address), rows, cols]
  if (size > 0) cpu.run("binaryMap", words, [], binaryOps[op] >= binaryOps.geluGrad ? size * COSTLY : size)
  return y.info
}

/** How `small` repeats over `big`: not at all, a scalar, a row, or a number per row; undefined for other patterns. */
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

/** op(a, b) of float32 tensors. What the kernel has no pattern for is repeated in memory first. */
const broadcast = (
  cpu: ArenaBackend,
  [op, reversed]: readonly [BinaryOp, BinaryOp],
  a: TensorInfo,
  b: TensorInfo
): TensorInfo => {
  const shape = tf.backend_util.assertAndGetBroadcastShape(a.shape, b.shape)
  if (sizeOf({ shape }) === 0) return cpu.output(shape).info
  const isWhole = (x: TensorInfo): boolean => x.shape.length === shape.length && x.shape.every((d, i) => d === shape[i])
  if (isWhole(a)) {
    const spread = spreadOf(a, b)
    if (spread !== undefined) return mapSpread(cpu, op, a, b, spread)
    return using(cpu, spreadOver(cpu, b, shape), (whole) => mapBinary(cpu, op, a, whole))
  }
  if (isWhole(b)) return broadcast(cpu, [reversed, op], b, a)
  return using(cpu, spreadOver(cpu, a, shape), (whole) => broadcast(cpu, [op, reversed], whole, b))
}

type Compute = (a: number, b: number) => number

/** Arithmetic: float32 in wasm, other types by `compute`, which keeps their type. */
const arithmetic = (kernel: string, op: BinaryOp, reversed: BinaryOp, compute: Compute): Registration =>
  stock<"a" | "b", unknown>(kernel, (cpu, inputs) => {
    const type = typeOf(kernel, inputs.a)
    return type === "float32" && typeOf(kernel, inputs.b) === "float32" ?
      broadcast(cpu, [op, reversed], inputs.a, inputs.b) :
      computedPairs(cpu, kernel, inputs, type, compute)
  })

/** A function of pairs that no model needs, on the calling thread. `dtype`: that of the result; default that of a. */
const rare = (kernel: string, compute: Compute, dtype?: HostType): Registration =>
  stock<"a" | "b", unknown>(
    kernel,
    (cpu, inputs) => computedPairs(cpu, kernel, inputs, dtype ?? typeOf(kernel, inputs.a), compute)
  )

const comparison = (kernel: string, holds: (a: number, b: number) => boolean): Registration =>
  rare(kernel, (a, b) => holds(a, b) ? 1 : 0, "bool")

const mod = (a: number, b: number): number => {
  const rest = a % b
  return (a < 0) === (b < 0) ? rest : (rest + b) % b
}

/** Whole exponents by products and others by our own exp and log: `**` may differ between engines in the last bit. */
const power = (base: number, exponent: number): number => {
  if (!Number.isInteger(exponent)) return base === 0 || !(base > 0) ? base ** exponent : exp(exponent * log(base))
  let result = 1
  let factor = base
  for (let left = Math.abs(exponent); left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result *= factor
    factor *= factor
  }
  return exponent < 0 ? 1 / result : result
}

/** condition, t, e of one shape; a condition [n] may also choose among whole rows. */
const select = (cpu: ArenaBackend, condition: TensorInfo, t: TensorInfo, e: TensorInfo): TensorInfo => {
  const [isTrue, x, y] = [condition, t, e].map((info) => valuesOf(cpu, "Select", info))
  const each = condition.shape.length === t.shape.length || sizeOf(condition) === 0 ? 1 : sizeOf(t) / sizeOf(condition)
  const type = typeOf("Select", t)
  return computed(cpu, t.shape, type, (i) => (isTrue?.[Math.floor(i / each)] === 0 ? y : x)?.[i] ?? NaN)
}

/** Elementwise functions of two tensors with every broadcast, and Select. */
export const binaryKernels: ReadonlyArray<Registration> = [
  arithmetic("Add", "add", "add", (a, b) => a + b),
  arithmetic("Sub", "sub", "reversedSub", (a, b) => a - b),
  arithmetic("Multiply", "mul", "mul", (a, b) => a * b),
  arithmetic("RealDiv", "div", "reversedDiv", (a, b) => a / b),
  arithmetic("Maximum", "max", "max", Math.max),
  arithmetic("Minimum", "min", "min", Math.min),
  rare("SquaredDifference", (a, b) => (a - b) * (a - b)),
  rare("FloorDiv", (a, b) => Math.floor(a / b), "int32"),
  rare("Mod", mod),
  rare("Pow", power),
  comparison("Equal", (a, b) => a === b),
  comparison("NotEqual", (a, b) => a !== b),
  comparison("Greater", (a, b) => a > b),
  comparison("GreaterEqual", (a, b) => a >= b),
  comparison("Less", (a, b) => a < b),
  comparison("LessEqual", (a, b) => a <= b),
  comparison("LogicalAnd", (a, b) => a !== 0 && b !== 0),
  comparison("LogicalOr", (a, b) => a !== 0 || b !== 0),
  stock<"condition" | "t" | "e", unknown>("Select", (cpu, { condition, t, e }) => select(cpu, condition, t, e))
]
