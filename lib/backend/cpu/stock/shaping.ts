import type { TensorInfo } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { written } from "../address.ts"
import type { ArenaBackend } from "../backend.ts"
import { type Registration, stock } from "../tfjs.ts"
import { copyAxes, gathered, permuted, stridesOf } from "./copy.ts"
import { converted, overInts, sizeOf, typeOf, unsupported, using } from "./host.ts"

const sliced = (
  cpu: ArenaBackend,
  x: TensorInfo,
  begin: ReadonlyArray<number>,
  size: ReadonlyArray<number>
): TensorInfo => {
  const strides = stridesOf(x.shape)
  return gathered(cpu, x, size, strides, begin.reduce((sum, at, i) => sum + at * (strides[i] ?? 0), 0))
}

/** x cut to `size` along one axis. */
const cut = (cpu: ArenaBackend, x: TensorInfo, axis: number, from: number, size: number): TensorInfo =>
  sliced(cpu, x, x.shape.map((_, i) => i === axis ? from : 0), x.shape.map((dim, i) => i === axis ? size : dim))

/** Parts of one 4-byte type along one axis. */
const joined = (cpu: ArenaBackend, parts: ReadonlyArray<TensorInfo>, axis: number): TensorInfo => {
  const [first] = parts
  if (first === undefined) throw unsupported("Concat", parts, "at least one tensor")
  const total = parts.reduce((sum, part) => sum + (part.shape[axis] ?? 0), 0)
  const y = cpu.output(
    first.shape.map((dim, i) => i === axis ? total : dim),
    first.dtype === "int32" ? "int32" : "float32"
  )
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

const concat = (cpu: ArenaBackend, parts: ReadonlyArray<TensorInfo>, axis: number): TensorInfo => {
  const [first, ...rest] = parts
  if (first === undefined || rest.length === 0) {
    return first === undefined ? joined(cpu, parts, axis) : alias(cpu, first)
  }
  const type = typeOf("Concat", first)
  if (parts.some((part) => part.dtype !== type)) throw unsupported("Concat", parts, "tensors of one type")
  if (type !== "bool") return joined(cpu, parts, axis)
  const ints: Array<TensorInfo> = []
  try {
    for (const part of parts) ints.push(converted(cpu, part, "int32"))
    return using(cpu, joined(cpu, ints, axis), (y) => converted(cpu, y, "bool"))
  } finally {
    for (const part of ints) cpu.disposeData(part.dataId)
  }
}

const alias = (cpu: ArenaBackend, x: TensorInfo): TensorInfo => cpu.alias(x, x.shape)

const axisOf = (axis: number, shape: ReadonlyArray<number>): number => tf.util.parseAxisParam(axis, [...shape])[0] ?? 0

const split = (cpu: ArenaBackend, x: TensorInfo, { numOrSizeSplits, axis }: tf.SplitVAttrs): Array<TensorInfo> => {
  const along = axisOf(axis, x.shape)
  const sizes = tf.backend_util.prepareSplitSize({ ...x, rank: x.shape.length }, numOrSizeSplits, along)
  let at = 0
  return sizes.map((size) => {
    at += size
    return overInts(cpu, "SplitV", x, (whole) => cut(cpu, whole, along, at - size, size))
  })
}

const bitsOf = (value: number, dtype: string): number =>
  dtype === "int32" ? value >>> 0 : new Uint32Array(new Float32Array([value]).buffer)[0] ?? 0

/** A tensor that holds one number everywhere. */
export const filled = (
  cpu: ArenaBackend,
  shape: ReadonlyArray<number>,
  value: number,
  dtype: "float32" | "int32" = "float32"
): TensorInfo => {
  const y = cpu.output(shape, dtype)
  const size = sizeOf(y.info)
  if (size > 0) cpu.run("fill", [written(y.address), size, bitsOf(value, dtype)], [], size)
  return y.info
}

const constant = (
  cpu: ArenaBackend,
  kernel: string,
  like: Pick<TensorInfo, "shape" | "dtype">,
  value: number
): TensorInfo => {
  const type = typeOf(kernel, { dataId: {}, ...like })
  if (type !== "bool") return filled(cpu, like.shape, value, type)
  return using(cpu, filled(cpu, like.shape, value, "int32"), (ints) => converted(cpu, ints, "bool"))
}

const padded = (cpu: ArenaBackend, x: TensorInfo, { paddings, constantValue }: tf.PadV2Attrs): TensorInfo => {
  const shape = x.shape.map((dim, i) => dim + (paddings[i]?.[0] ?? 0) + (paddings[i]?.[1] ?? 0))
  const y = filled(cpu, shape, constantValue, x.dtype === "int32" ? "int32" : "float32")
  const own = stridesOf(shape), strides = stridesOf(x.shape)
  const offset = paddings.reduce((sum, [before], i) => sum + before * (own[i] ?? 0), 0)
  const axes = x.shape.map((size, i) => ({ size, from: strides[i] ?? 0, to: own[i] ?? 0 }))
  copyAxes(cpu, cpu.address(x), cpu.address(y) + 4 * offset, axes)
  return y
}

const tiled = (cpu: ArenaBackend, x: TensorInfo, reps: ReadonlyArray<number>): TensorInfo => {
  const repeats = x.shape.flatMap((dim, i) => [reps[i] ?? 1, dim])
  const strides = stridesOf(x.shape).flatMap((stride, i) => [0, x.shape[i] === 1 ? 0 : stride])
  const { dataId, dtype } = gathered(cpu, x, repeats, strides)
  return { dataId, dtype, shape: x.shape.map((dim, i) => dim * (reps[i] ?? 1)) }
}

const cast = (cpu: ArenaBackend, x: TensorInfo, dtype: tf.DataType): TensorInfo => {
  if (x.dtype === dtype) return alias(cpu, x)
  return converted(cpu, x, typeOf("Cast", { ...x, dtype }))
}

/** Several tensors of one shape along a new axis. */
const stacked = (cpu: ArenaBackend, parts: ReadonlyArray<TensorInfo>, axis: number): TensorInfo => {
  const rank = parts[0]?.shape.length ?? 0
  const at = axis < 0 ? axis + rank + 1 : axis
  return concat(cpu, parts.map((part) => ({ ...part, shape: withOne(part.shape, at) })), at)
}

const withOne = (shape: ReadonlyArray<number>, at: number): Array<number> => [
  ...shape.slice(0, at),
  1,
  ...shape.slice(at)
]

const unstacked = (cpu: ArenaBackend, value: TensorInfo, axis: number): Array<TensorInfo> => {
  const at = axisOf(axis, value.shape)
  return Array.from({ length: value.shape[at] ?? 0 }, (_, i) => {
    const part = overInts(cpu, "Unpack", value, (whole) => cut(cpu, whole, at, i, 1))
    return { ...part, shape: value.shape.filter((_, j) => j !== at) }
  })
}

/** Views, pieces, joins, repetition and constants, for float32, int32 and bool. */
export const shapingKernels: ReadonlyArray<Registration> = [
  stock<"x", unknown>("Identity", (cpu, { x }) => alias(cpu, x)),
  stock<"x", tf.ReshapeAttrs>("Reshape", (cpu, { x }, { shape }) => {
    const size = sizeOf(x)
    const given = tf.util.inferFromImplicitShape(shape, size)
    if (sizeOf({ shape: given }) !== size) {
      throw unsupported("Reshape", [x], `a shape of ${size} numbers, not [${given}]`)
    }
    return cpu.alias(x, given)
  }),
  stock<"input", tf.ExpandDimsAttrs>("ExpandDims", (cpu, { input }, { dim }) => {
    return cpu.alias(input, withOne(input.shape, dim < 0 ? dim + input.shape.length + 1 : dim))
  }),
  stock<"x", tf.TransposeAttrs>(
    "Transpose",
    (cpu, { x }, { perm }) => overInts(cpu, "Transpose", x, (whole) => permuted(cpu, whole, perm))
  ),
  stock<"x", tf.SliceAttrs>("Slice", (cpu, { x }, { begin, size }) => {
    const [starts, sizes] = tf.slice_util.parseSliceParams(x, begin, size)
    if (starts === undefined || sizes === undefined) throw unsupported("Slice", [x], "a begin and a size for each axis")
    tf.slice_util.assertParamsValid(x, starts, sizes)
    return overInts(cpu, "Slice", x, (whole) => sliced(cpu, whole, starts, sizes))
  }),
  stock<"x", tf.SplitVAttrs>("SplitV", (cpu, { x }, attrs) => split(cpu, x, attrs)),
  stock<string, tf.ConcatAttrs>("Concat", (cpu, inputs, { axis }) => {
    const parts = Object.values(inputs)
    return concat(cpu, parts, axisOf(axis, parts[0]?.shape ?? []))
  }),
  stock<string, tf.PackAttrs>("Pack", (cpu, inputs, { axis }) => stacked(cpu, Object.values(inputs), axis)),
  stock<"value", tf.UnpackAttrs>("Unpack", (cpu, { value }, { axis }) => unstacked(cpu, value, axis)),
  stock<"x", tf.PadV2Attrs>(
    "PadV2",
    (cpu, { x }, attrs) => overInts(cpu, "PadV2", x, (whole) => padded(cpu, whole, attrs))
  ),
  stock<"x", tf.TileAttrs>(
    "Tile",
    (cpu, { x }, { reps }) => overInts(cpu, "Tile", x, (whole) => tiled(cpu, whole, reps))
  ),
  stock<"x", tf.CastAttrs>("Cast", (cpu, { x }, { dtype }) => cast(cpu, x, dtype)),
  stock<never, tf.FillAttrs>("Fill", (cpu, _, { shape, value, dtype }) => {
    if (typeof value !== "number") throw unsupported("Fill", [], "a number, not a string")
    return constant(cpu, "Fill", { shape, dtype: dtype ?? "float32" }, value)
  }),
  stock<"x", unknown>("ZerosLike", (cpu, { x }) => constant(cpu, "ZerosLike", x, 0)),
  stock<"x", unknown>("OnesLike", (cpu, { x }) => constant(cpu, "OnesLike", x, 1))
]
