import type { TensorInfo } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { written } from "../address.ts"
import type { ArenaBackend } from "../backend.ts"
import { type Registration, stock } from "../tfjs.ts"
import { gatherInto } from "./gather.ts"

/** One axis of a copy: how many steps, and how far each goes in source and target, in elements. */
export interface CopyAxis {
  readonly size: number
  readonly from: number
  readonly to: number
}

/** Elements from one index to the next along each axis of a contiguous tensor. */
const stridesOf = (shape: ReadonlyArray<number>): ReadonlyArray<number> => {
  const strides = shape.map(() => 1)
  for (let i = shape.length - 2; i >= 0; i--) strides[i] = (strides[i + 1] ?? 1) * (shape[i + 1] ?? 1)
  return strides
}

/** Leaves out axes of one step and joins neighbours that are one long axis on both sides. */
const merged = (axes: ReadonlyArray<CopyAxis>): ReadonlyArray<CopyAxis> => {
  const out: Array<CopyAxis> = []
  for (const axis of axes) {
    if (axis.size === 1) continue
    const outer = out.at(-1)
    if (outer !== undefined && outer.from === axis.from * axis.size && outer.to === axis.to * axis.size) {
      out[out.length - 1] = { size: outer.size * axis.size, from: axis.from, to: axis.to }
    } else out.push(axis)
  }
  return out
}

const ONE: CopyAxis = { size: 1, from: 0, to: 0 }

/** Copies between two address patterns; false when more than six axes remain. Addresses are of the first elements. */
export const copyAxes = (cpu: ArenaBackend, from: number, to: number, axes: ReadonlyArray<CopyAxis>): boolean => {
  const work = axes.reduce((product, { size }) => product * size, 1)
  if (work === 0) return true
  const kept = merged(axes)
  if (kept.length > 6) return false
  const inner = kept.at(-1) ?? { size: 1, from: 1, to: 1 }
  const outer = kept.slice(0, -1)
  // The kernel's threads share the four outermost axes, so the fifth is used only when there is no other place.
  const rest = outer.length <= 4 ? [...outer, ONE] : outer
  const six = [...Array.from({ length: 5 - rest.length }, () => ONE), ...rest, inner]
  const words = [from, written(to), ...six.map((a) => a.size), ...six.map((a) => a.from), ...six.map((a) => a.to)]
  cpu.run("copyStrided", words, [], work)
  return true
}

/** A piece of x copied to a new tensor: `shape`, source strides, offset in elements. */
const gathered = (
  cpu: ArenaBackend,
  x: TensorInfo,
  shape: ReadonlyArray<number>,
  strides: ReadonlyArray<number>,
  offset: number
): TensorInfo | undefined => {
  const y = cpu.output(shape)
  const own = stridesOf(shape)
  const axes = shape.map((size, i) => ({ size, from: strides[i] ?? 0, to: own[i] ?? 0 }))
  if (copyAxes(cpu, cpu.address(x) + 4 * offset, y.address, axes)) return y.info
  cpu.disposeData(y.info.dataId)
  return undefined
}

const sliced = (
  cpu: ArenaBackend,
  x: TensorInfo,
  begin: ReadonlyArray<number>,
  size: ReadonlyArray<number>
): TensorInfo | undefined => {
  const strides = stridesOf(x.shape)
  return gathered(cpu, x, size, strides, begin.reduce((sum, at, i) => sum + at * (strides[i] ?? 0), 0))
}

const joined = (cpu: ArenaBackend, parts: ReadonlyArray<TensorInfo>, axis: number): TensorInfo | undefined => {
  const first = parts[0]
  if (first === undefined || parts.some((part) => part.dtype !== "float32")) return undefined
  const total = parts.reduce((sum, part) => sum + (part.shape[axis] ?? 0), 0)
  const y = cpu.output(first.shape.map((dim, i) => i === axis ? total : dim))
  const outer = first.shape.slice(0, axis).reduce((a, b) => a * b, 1)
  const after = first.shape.slice(axis + 1).reduce((a, b) => a * b, 1)
  let offset = 0
  for (const part of parts) {
    const length = (part.shape[axis] ?? 0) * after
    const axes = [{ size: outer, from: length, to: total * after }, { size: length, from: 1, to: 1 }]
    copyAxes(cpu, cpu.address(part), y.address + 4 * offset, axes)
    offset += length
  }
  return y.info
}

const split = (
  cpu: ArenaBackend,
  x: TensorInfo,
  { numOrSizeSplits, axis }: tf.SplitVAttrs
): Array<TensorInfo> | undefined => {
  const along = tf.util.parseAxisParam(axis, x.shape)[0] ?? 0
  const dim = x.shape[along] ?? 0
  const sizes = typeof numOrSizeSplits === "number" ?
    Array.from({ length: numOrSizeSplits }, () => dim / numOrSizeSplits) :
    numOrSizeSplits
  if (sizes.includes(-1)) return undefined
  const out: Array<TensorInfo> = []
  let at = 0
  for (const size of sizes) {
    const begin = x.shape.map((_, i) => i === along ? at : 0)
    const part = sliced(cpu, x, begin, x.shape.map((d, i) => i === along ? size : d))
    if (part === undefined) return undefined
    out.push(part)
    at += size
  }
  return out
}

const padded = (
  cpu: ArenaBackend,
  x: TensorInfo,
  { paddings, constantValue }: tf.PadV2Attrs
): TensorInfo | undefined => {
  if (constantValue !== 0) return undefined
  const shape = x.shape.map((dim, i) => dim + (paddings[i]?.[0] ?? 0) + (paddings[i]?.[1] ?? 0))
  const y = cpu.output(shape)
  const size = shape.reduce((a, b) => a * b, 1)
  cpu.run("fill", [written(y.address), size, 0], [], size)
  const own = stridesOf(shape), strides = stridesOf(x.shape)
  const offset = paddings.reduce((sum, [before], i) => sum + before * (own[i] ?? 0), 0)
  const axes = x.shape.map((size, i) => ({ size, from: strides[i] ?? 0, to: own[i] ?? 0 }))
  if (copyAxes(cpu, cpu.address(x), y.address + 4 * offset, axes)) return y.info
  cpu.disposeData(y.info.dataId)
  return undefined
}

/** A float32 copy of an int32 or boolean tensor. tfjs's own kernel would only rename the type of the same values. */
const asFloats = (cpu: ArenaBackend, x: TensorInfo): TensorInfo => {
  const y = cpu.output(x.shape)
  const { values } = cpu.data.get(x.dataId)
  const target = cpu.arena.floats(y.address, values.length)
  for (let i = 0; i < values.length; i++) target[i] = Number(values[i])
  return y.info
}

const cast = (cpu: ArenaBackend, x: TensorInfo, dtype: tf.DataType): TensorInfo | undefined => {
  if (x.dtype === dtype) return cpu.alias(x, x.shape)
  if (dtype === "float32" && (x.dtype === "int32" || x.dtype === "bool")) return asFloats(cpu, x)
  if (dtype === "int32" && x.dtype === "bool") {
    const { values } = cpu.data.get(x.dataId)
    return cpu.makeTensorInfo([...x.shape], "int32", Int32Array.from(values, Number))
  }
  return undefined
}

/** Transpose, Slice, SplitV, Concat, PadV2 (zeros), Tile (of axes of size 1), GatherV2 (rows), Cast. */
export const shapingKernels: ReadonlyArray<Registration> = [
  stock<"x", tf.TransposeAttrs>("Transpose", (cpu, { x }, { perm }) => {
    if (x.dtype !== "float32") return undefined
    const strides = stridesOf(x.shape)
    return gathered(cpu, x, perm.map((axis) => x.shape[axis] ?? 1), perm.map((axis) => strides[axis] ?? 0), 0)
  }),
  stock<"x", tf.SliceAttrs>("Slice", (cpu, { x }, { begin, size }) => {
    if (x.dtype !== "float32") return undefined
    const [starts, sizes] = tf.slice_util.parseSliceParams(x, begin, size)
    if (starts === undefined || sizes === undefined) return undefined
    tf.slice_util.assertParamsValid(x, starts, sizes)
    return sliced(cpu, x, starts, sizes)
  }),
  stock<"x", tf.SplitVAttrs>("SplitV", (cpu, { x }, attrs) => x.dtype === "float32" ? split(cpu, x, attrs) : undefined),
  stock<string, tf.ConcatAttrs>("Concat", (cpu, inputs, { axis }) => {
    const parts = Object.values(inputs)
    return joined(cpu, parts, tf.util.parseAxisParam(axis, parts[0]?.shape ?? [])[0] ?? 0)
  }),
  stock<"x", tf.PadV2Attrs>("PadV2", (cpu, { x }, attrs) => x.dtype === "float32" ? padded(cpu, x, attrs) : undefined),
  stock<"x", tf.TileAttrs>("Tile", (cpu, { x }, { reps }) => {
    if (x.dtype !== "float32" || reps.some((count, i) => count !== 1 && x.shape[i] !== 1)) return undefined
    const strides = stridesOf(x.shape).map((stride, i) => x.shape[i] === 1 ? 0 : stride)
    return gathered(cpu, x, x.shape.map((dim, i) => dim * (reps[i] ?? 1)), strides, 0)
  }),
  stock<"x" | "indices", tf.GatherV2Attrs>("GatherV2", (cpu, { x, indices }, { axis, batchDims }) => {
    if (x.dtype !== "float32" || indices.dtype !== "int32" || axis !== 0 || batchDims !== 0) return undefined
    const y = cpu.output([...indices.shape, ...x.shape.slice(1)])
    gatherInto(cpu, x, indices, y.address)
    return y.info
  }),
  stock<"x", tf.CastAttrs>("Cast", (cpu, { x }, { dtype }) => cast(cpu, x, dtype))
]
