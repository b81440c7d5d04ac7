import type { TensorInfo } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { written } from "../address.ts"
import type { ArenaBackend } from "../backend.ts"
import { type Registration, stock } from "../tfjs.ts"
import { checkIndices } from "./gather.ts"
import { computed, overInts, sizeOf, typeOf, unsupported, valuesOf } from "./host.ts"
import { filled } from "./shaping.ts"

/** Slices of x along one axis by int32 indices, for each entry of the batch axes. */
const gather = (
  cpu: ArenaBackend,
  x: TensorInfo,
  indices: TensorInfo,
  { axis, batchDims }: tf.GatherV2Attrs
): TensorInfo => {
  if (indices.dtype !== "int32") throw unsupported("GatherV2", [x, indices], "int32 indices")
  const info = tf.backend_util.segment_util.collectGatherOpShapeInfo(
    x,
    indices,
    tf.util.parseAxisParam(axis, x.shape)[0] ?? 0,
    batchDims
  )
  const { batchSize, outerSize, dimSize, sliceSize: cols, outputShape } = info
  checkIndices(cpu, indices, dimSize)
  const y = cpu.output(outputShape, x.dtype === "int32" ? "int32" : "float32")
  if (sizeOf(y.info) === 0) return y.info
  const n = sizeOf(indices) / batchSize
  for (let b = 0; b < batchSize; b++) {
    for (let outer = 0; outer < outerSize; outer++) {
      const part = b * outerSize + outer
      const from = [cpu.address(x) + 4 * part * dimSize * cols, cpu.address(indices) + 4 * b * n]
      cpu.run("gatherRows", [...from, written(y.address + 4 * part * n * cols), n, cols], [], n * cols)
    }
  }
  return y.info
}

/** The sum of x's slices with each id, in their order. */
const segmentSum = (cpu: ArenaBackend, x: TensorInfo, ids: TensorInfo, numSegments: number): TensorInfo => {
  if (x.dtype !== "float32" || ids.dtype !== "int32") {
    throw unsupported("UnsortedSegmentSum", [x, ids], "float32 numbers and int32 ids")
  }
  const n = sizeOf(ids)
  const shape = [numSegments, ...x.shape.slice(ids.shape.length)]
  checkIndices(cpu, ids, numSegments)
  if (sizeOf({ shape }) === 0 || n === 0) return filled(cpu, shape, 0)
  const y = cpu.output(shape)
  const cols = sizeOf({ shape }) / numSegments
  const words = [cpu.address(x), cpu.address(ids), written(y.address), n, cols, numSegments]
  cpu.run("scatterRows", words, [], (n + numSegments) * cols)
  return y.info
}

/** Pieces by index, sums by index, and what is made of indices. */
export const indexingKernels: ReadonlyArray<Registration> = [
  stock<"x" | "indices", tf.GatherV2Attrs>(
    "GatherV2",
    (cpu, { x, indices }, attrs) => overInts(cpu, "GatherV2", x, (whole) => gather(cpu, whole, indices, attrs))
  ),
  stock<"x" | "segmentIds", tf.UnsortedSegmentSumAttrs>(
    "UnsortedSegmentSum",
    (cpu, { x, segmentIds }, { numSegments }) => segmentSum(cpu, x, segmentIds, numSegments)
  ),
  stock<never, tf.RangeAttrs>("Range", (cpu, _, { start, stop, step, dtype }) => {
    // A step of 1 is also what nobody chose: it then counts down where stop lies below start.
    const signed = step === 1 && stop < start ? -1 : step
    const length = Math.max(0, Math.ceil((stop - start) / signed))
    return computed(cpu, [length], dtype === "int32" ? "int32" : "float32", (i) => start + i * signed)
  }),
  stock<"indices", tf.OneHotAttrs>("OneHot", (cpu, { indices }, { depth, onValue, offValue, dtype }) => {
    const at = valuesOf(cpu, "OneHot", indices)
    const type = typeOf("OneHot", { ...indices, dtype })
    const isOn = (i: number): boolean => at[Math.floor(i / depth)] === i % depth
    return computed(cpu, [...indices.shape, depth], type, (i) => isOn(i) ? onValue : offValue)
  })
]
