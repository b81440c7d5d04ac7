import type { TensorInfo } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { written } from "../address.ts"
import type { ArenaBackend } from "../backend.ts"
import { CHUNKS } from "../layout.ts"
import { type Registration, stock } from "../tfjs.ts"
import { permuted } from "./copy.ts"
import { computed, converted, type HostType, sizeOf, typeOf, unsupported, using, valuesOf } from "./host.ts"

/** The sum of all numbers times `scale`, or of a b when `b` is given: doubles in a fixed order. */
export const sumAll = (
  cpu: ArenaBackend,
  y: number,
  n: number,
  a: number,
  options: { readonly b?: number; readonly scale?: number } = {}
): void => {
  const { b = 0, scale = 1 } = options
  cpu.withRoom(8 * CHUNKS, (partials) => {
    cpu.run("dotChunks", [a, b, written(partials), n], [], n)
    cpu.run("joinDoubles", [partials, CHUNKS, written(y)], [scale], 0)
  })
}

/** y [cols] = scale * the sum of the rows of x [rows, cols], in a fixed number of partial sums. */
export const sumRows = (cpu: ArenaBackend, x: number, y: number, rows: number, cols: number, scale = 1): void => {
  cpu.withRoom(4 * CHUNKS * cols, (partials) => {
    cpu.run("columnSums", [x, written(partials), rows, cols], [], rows * cols)
    cpu.run("joinChunks", [partials, cols, written(y), cols], [scale], CHUNKS * cols)
  })
}

interface Axes {
  readonly axis?: number | ReadonlyArray<number>
  readonly keepDims?: boolean
}

type Reduction = "sum" | "mean" | "max" | "min"

/** Which axes stay and which go, and the shape of the result. */
const planOf = (
  x: TensorInfo,
  { axis, keepDims }: Axes
): { readonly kept: ReadonlyArray<number>; readonly gone: ReadonlyArray<number>; readonly shape: Array<number> } => {
  const all = x.shape.map((_, i) => i)
  const given = axis === undefined || axis === null ? all : typeof axis === "number" ? [axis] : [...axis]
  const axes = new Set(tf.util.parseAxisParam(given, x.shape))
  const shape = x.shape.flatMap((dim, i) => axes.has(i) ? keepDims === true ? [1] : [] : [dim])
  return { kept: all.filter((i) => !axes.has(i)), gone: all.filter((i) => axes.has(i)), shape }
}

/** Rows of a matrix reduced to one number each; `y` is the address of the result. */
const reduceRows = (
  cpu: ArenaBackend,
  op: Reduction,
  x: TensorInfo,
  y: number,
  rows: number,
  cols: number
): void => {
  const code = op === "max" ? 1 : op === "min" ? 2 : 0
  const words = [code, cpu.address(x), written(y), rows, cols]
  cpu.run("rowReduce", words, [op === "mean" ? 1 / cols : 1], rows * cols)
}

/** Leading or trailing axes where they lie; others after a copy that puts them last. */
const reduce = (cpu: ArenaBackend, kernel: string, x: TensorInfo, axes: Axes, op: Reduction): TensorInfo => {
  const { kept, gone, shape } = planOf(x, axes)
  const size = sizeOf(x)
  const rows = sizeOf({ shape: kept.map((axis) => x.shape[axis] ?? 1) })
  const cols = sizeOf({ shape: gone.map((axis) => x.shape[axis] ?? 1) })
  if ((op === "max" || op === "min") && cols === 0) throw unsupported(kernel, [x], "at least one number to choose from")
  const y = cpu.output(shape)
  if (rows === 0) return y.info
  const scale = op === "mean" ? 1 / cols : 1
  const isSum = op === "sum" || op === "mean"
  const lastKept = kept.at(-1) ?? -1, firstGone = gone[0] ?? x.shape.length
  if (cols === 0) cpu.run("fill", [written(y.address), rows, op === "mean" ? NAN_BITS : 0], [], rows)
  else if (rows === 1 && isSum) sumAll(cpu, y.address, size, cpu.address(x), { scale })
  else if (lastKept < firstGone) reduceRows(cpu, op, x, y.address, rows, cols)
  else if (isSum && gone.length > 0 && gone.at(-1) === gone.length - 1) {
    sumRows(cpu, cpu.address(x), y.address, cols, rows, scale)
  } else {
    using(cpu, permuted(cpu, x, [...kept, ...gone]), (rowwise) => reduceRows(cpu, op, rowwise, y.address, rows, cols))
  }
  return y.info
}

const NAN_BITS = 0x7fc00000

/** The numbers that each place of the result comes from are folded in their order. */
const onHost = (
  cpu: ArenaBackend,
  kernel: string,
  x: TensorInfo,
  axes: Axes,
  dtype: HostType,
  fold: (numbers: ReadonlyArray<number>) => number
): TensorInfo => {
  const { kept, gone, shape } = planOf(x, axes)
  const cols = sizeOf({ shape: gone.map((axis) => x.shape[axis] ?? 1) })
  const values = valuesOf(cpu, kernel, x)
  const order = placesInOrder(x.shape, [...kept, ...gone])
  return computed(
    cpu,
    shape,
    dtype,
    (i) => fold(Array.from({ length: cols }, (_, j) => values[order[i * cols + j] ?? 0] ?? NaN))
  )
}

/** The places of a contiguous tensor in the order in which they stand when its axes are put in another order. */
const placesInOrder = (shape: ReadonlyArray<number>, order: ReadonlyArray<number>): ReadonlyArray<number> => {
  let places = [0]
  const stepOf = (axis: number): number => shape.slice(axis + 1).reduce((a, b) => a * b, 1)
  for (const axis of order) {
    const step = stepOf(axis)
    places = places.flatMap((place) => Array.from({ length: shape[axis] ?? 1 }, (_, i) => place + i * step))
  }
  return places
}

/** Softmax of the rows of x, those of each [perMap, cols] map cut below the diagonal when `isCausal`. */
export const softmaxRows = (cpu: ArenaBackend, x: TensorInfo, isCausal: boolean): TensorInfo => {
  const cols = x.shape.at(-1) ?? 1
  const rows = x.shape.slice(0, -1).reduce((a, b) => a * b, 1)
  const y = cpu.output(x.shape)
  const words = [cpu.address(x), written(y.address), rows, cols, isCausal ? 1 : 0, x.shape.at(-2) ?? 1]
  if (rows * cols > 0) cpu.run("softmax", words, [], 8 * rows * cols)
  return y.info
}

const softmax = (cpu: ArenaBackend, logits: TensorInfo, dim: number): TensorInfo => {
  if (logits.dtype !== "float32") throw unsupported("Softmax", [logits], "float32 logits")
  if (dim !== -1 && dim !== logits.shape.length - 1) throw unsupported("Softmax", [logits], "the last axis")
  return softmaxRows(cpu, logits, false)
}

const total = (numbers: ReadonlyArray<number>): number => numbers.reduce((sum, x) => sum + x, 0)
const largest = (numbers: ReadonlyArray<number>): number => numbers.reduce((top, x) => Math.max(top, x), -Infinity)
const smallest = (numbers: ReadonlyArray<number>): number => numbers.reduce((low, x) => Math.min(low, x), Infinity)
const product = (numbers: ReadonlyArray<number>): number => numbers.reduce((result, x) => result * x, 1)

/** The first place of the largest number; a NaN is never larger, and nothing is larger than a NaN that comes first. */
const firstLargest = (numbers: ReadonlyArray<number>): number => {
  let at = 0
  numbers.forEach((x, i) => at = x > (numbers[at] ?? NaN) ? i : at)
  return at
}

/** Sum, Max, Min: float32 in wasm, whole numbers and booleans (as whole numbers) on the calling thread. */
const chosen = (
  kernel: string,
  cpu: ArenaBackend,
  x: TensorInfo,
  axes: Axes,
  op: Reduction,
  fold: (numbers: ReadonlyArray<number>) => number
): TensorInfo =>
  typeOf(kernel, x) === "float32" ? reduce(cpu, kernel, x, axes, op) : onHost(cpu, kernel, x, axes, "int32", fold)

/** Reductions over any axes; softmax over the last. */
export const reduceKernels: ReadonlyArray<Registration> = [
  stock<"x", Axes>("Sum", (cpu, { x }, axes) => chosen("Sum", cpu, x, axes, "sum", total)),
  stock<"x", Axes>("Mean", (cpu, { x }, axes) => {
    const mean = (floats: TensorInfo): TensorInfo => reduce(cpu, "Mean", floats, axes, "mean")
    return typeOf("Mean", x) === "float32" ? mean(x) : using(cpu, converted(cpu, x, "float32"), mean)
  }),
  stock<"x", { reductionIndices: number | Array<number>; keepDims: boolean }>(
    "Max",
    (cpu, { x }, { reductionIndices, keepDims }) =>
      chosen("Max", cpu, x, { axis: reductionIndices, keepDims }, "max", largest)
  ),
  stock<"x", Axes>("Min", (cpu, { x }, axes) => chosen("Min", cpu, x, axes, "min", smallest)),
  stock<"x", Axes>("Prod", (cpu, { x }, axes) => {
    const type = typeOf("Prod", x)
    return onHost(cpu, "Prod", x, axes, type === "bool" ? "int32" : type, product)
  }),
  stock<"x", Axes>("All", (cpu, { x }, axes) => onHost(cpu, "All", x, axes, "bool", (v) => v.includes(0) ? 0 : 1)),
  stock<"x", Axes>(
    "Any",
    (cpu, { x }, axes) => onHost(cpu, "Any", x, axes, "bool", (v) => v.every((flag) => flag === 0) ? 0 : 1)
  ),
  stock<"x", Axes>(
    "ArgMax",
    (cpu, { x }, { axis }) => onHost(cpu, "ArgMax", x, { axis: axis ?? 0 }, "int32", firstLargest)
  ),
  stock<"x", Axes>(
    "ArgMin",
    (cpu, { x }, { axis }) =>
      onHost(cpu, "ArgMin", x, { axis: axis ?? 0 }, "int32", (numbers) => firstLargest(numbers.map((v) => -v)))
  ),
  stock<"logits", tf.SoftmaxAttrs>("Softmax", (cpu, { logits }, { dim }) => softmax(cpu, logits, dim))
]
