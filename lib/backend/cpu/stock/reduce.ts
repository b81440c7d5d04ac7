import type { TensorInfo } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { written } from "../address.ts"
import type { ArenaBackend } from "../backend.ts"
import { CHUNKS } from "../layout.ts"
import { type Registration, stock } from "../tfjs.ts"

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

const reduce = (
  cpu: ArenaBackend,
  x: TensorInfo,
  { axis, keepDims }: Axes,
  op: "sum" | "mean" | "max"
): TensorInfo | undefined => {
  const rank = x.shape.length
  const size = x.shape.reduce((a, b) => a * b, 1)
  if (x.dtype !== "float32" || size === 0) return undefined
  const given = axis === undefined || axis === null ?
    x.shape.map((_, i) => i) :
    typeof axis === "number" ?
    [axis] :
    [...axis]
  const axes = new Set(tf.util.parseAxisParam(given, x.shape))
  const isKept = x.shape.map((_, i) => !axes.has(i))
  const first = isKept.indexOf(true), last = isKept.lastIndexOf(true)
  const outShape = x.shape.flatMap((dim, i) => isKept[i] ? [dim] : keepDims ? [1] : [])
  if (first !== -1 && isKept.slice(first, last + 1).includes(false)) return undefined
  const before = first === -1 ? size : x.shape.slice(0, first).reduce((a, b) => a * b, 1)
  const after = first === -1 ? 1 : x.shape.slice(last + 1).reduce((a, b) => a * b, 1)
  const kept = size / (before * after)
  const scale = op === "mean" ? 1 / (before * after) : 1
  if (op === "max" ? before > 1 && first !== -1 : before > 1 && after > 1) return undefined
  const y = cpu.output(rank === axes.size && keepDims !== true ? [] : outShape)
  const from = cpu.address(x)
  if (op === "max") cpu.run("rowReduce", [1, from, written(y.address), kept, size / kept], [1], size)
  else if (first === -1) sumAll(cpu, y.address, size, from, { scale })
  else if (after > 1 || before === 1) cpu.run("rowReduce", [0, from, written(y.address), kept, after], [scale], size)
  else sumRows(cpu, from, y.address, before, kept, scale)
  return y.info
}

/** Softmax of the rows of x, those of each [perMap, cols] map cut below the diagonal when `isCausal`. */
export const softmaxRows = (cpu: ArenaBackend, x: TensorInfo, isCausal: boolean): TensorInfo => {
  const cols = x.shape.at(-1) ?? 1
  const rows = x.shape.slice(0, -1).reduce((a, b) => a * b, 1)
  const y = cpu.output(x.shape)
  const words = [cpu.address(x), written(y.address), rows, cols, isCausal ? 1 : 0, x.shape.at(-2) ?? 1]
  cpu.run("softmax", words, [], 8 * rows * cols)
  return y.info
}

/** Sums, means and maxima over all, leading or trailing axes; softmax over the last. */
export const reduceKernels: ReadonlyArray<Registration> = [
  stock<"x", Axes>("Sum", (cpu, { x }, attrs) => reduce(cpu, x, attrs, "sum")),
  stock<"x", Axes>("Mean", (cpu, { x }, attrs) => reduce(cpu, x, attrs, "mean")),
  stock<"x", { reductionIndices: number | Array<number>; keepDims: boolean }>(
    "Max",
    (cpu, { x }, { reductionIndices, keepDims }) => reduce(cpu, x, { axis: reductionIndices, keepDims }, "max")
  ),
  stock<"logits", tf.SoftmaxAttrs>(
    "Softmax",
    (cpu, { logits }, { dim }) =>
      logits.dtype === "float32" && (dim === -1 || dim === logits.shape.length - 1) ?
        softmaxRows(cpu, logits, false) :
        undefined
  )
]
