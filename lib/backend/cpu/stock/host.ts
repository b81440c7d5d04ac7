import type { TensorInfo } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import type { ArenaBackend } from "../backend.ts"
import { UnsupportedKernel } from "../errors.ts"

/**
 * Plain loops on the calling thread, for what no model does in its hot path: comparisons, int32 arithmetic, booleans.
 * Each of their results counts as a move (`ArenaBackend.moves`): a training step has none.
 */

/** The types that the engine's kernels know. */
export type HostType = "float32" | "int32" | "bool"

/** How many numbers a tensor holds. */
export const sizeOf = (info: Pick<TensorInfo, "shape">): number => info.shape.reduce((x, y) => x * y, 1)

/** The error of a kernel that the engine does not have for these operands. */
export const unsupported = (kernel: string, inputs: ReadonlyArray<TensorInfo>, expected: string): UnsupportedKernel => {
  const found = inputs.map(({ dtype, shape }) => `${dtype} [${shape.join(", ")}]`).join(", ")
  return new UnsupportedKernel({
    kernel,
    found,
    message: `diffclip-cpu: ${kernel} expects ${expected}, found ${found === "" ? "no tensors" : found}. Read the ` +
      'tensors with dataSync() and compute on the host, or import "@tensorflow/tfjs-backend-cpu" and call ' +
      'tf.setBackend("cpu") for this part: tensors move along'
  })
}

const isHostType = (dtype: string): dtype is HostType => dtype === "float32" || dtype === "int32" || dtype === "bool"

/** A tensor's type. Throws UnsupportedKernel for strings and complex numbers. */
export const typeOf = (kernel: string, info: TensorInfo): HostType => {
  const { dtype } = info
  if (isHostType(dtype)) return dtype
  throw unsupported(kernel, [info], "float32, int32 or bool")
}

/** A tensor's numbers; in the arena a view that ends with the kernel. Booleans are 0 and 1. */
export const valuesOf = (cpu: ArenaBackend, kernel: string, info: TensorInfo): ArrayLike<number> => {
  typeOf(kernel, info)
  const { values } = cpu.data.get(info.dataId)
  if (Array.isArray(values)) throw unsupported(kernel, [info], "numbers")
  return values
}

/** A tensor of `compute(i)` for each place i: whole numbers where its type is int32, 0 or 1 where it is bool. */
export const computed = (
  cpu: ArenaBackend,
  shape: ReadonlyArray<number>,
  dtype: HostType,
  compute: (i: number) => number
): TensorInfo => {
  const size = sizeOf({ shape: [...shape] })
  cpu.moves += 1
  if (dtype === "bool") {
    const flags = new Uint8Array(size)
    for (let i = 0; i < size; i++) flags[i] = compute(i)
    return { dataId: cpu.write(flags, [...shape], "bool"), shape: [...shape], dtype }
  }
  const y = cpu.output(shape, dtype)
  const target = dtype === "int32" ? cpu.arena.ints(y.address, size) : cpu.arena.floats(y.address, size)
  for (let i = 0; i < size; i++) target[i] = compute(i)
  return y.info
}

/** The same numbers as another type: whole numbers towards zero, booleans by whether they are not 0. */
export const converted = (cpu: ArenaBackend, x: TensorInfo, dtype: HostType): TensorInfo => {
  const values = valuesOf(cpu, "Cast", x)
  return computed(cpu, x.shape, dtype, dtype === "bool" ? (i) => values[i] === 0 ? 0 : 1 : (i) => values[i] ?? NaN)
}

/** Runs `use` on a tensor that exists for its time only. */
export const using = <A>(cpu: ArenaBackend, x: TensorInfo, use: (x: TensorInfo) => A): A => {
  try {
    return use(x)
  } finally {
    cpu.disposeData(x.dataId)
  }
}

/** Runs a kernel of 4-byte numbers on booleans too. */
export const overInts = (
  cpu: ArenaBackend,
  kernel: string,
  x: TensorInfo,
  use: (x: TensorInfo) => TensorInfo
): TensorInfo => {
  if (typeOf(kernel, x) !== "bool") return use(x)
  return using(cpu, converted(cpu, x, "int32"), (ints) => using(cpu, use(ints), (y) => converted(cpu, y, "bool")))
}

/** For each place of `shape`, in order, the place of `x` that is broadcast to it. */
export const placesOf = (x: ReadonlyArray<number>, shape: ReadonlyArray<number>): Int32Array => {
  const lead = shape.length - x.length
  const steps = shape.map(() => 0)
  let step = 1
  for (let axis = shape.length - 1; axis >= lead; axis--) {
    const dim = x[axis - lead] ?? 1
    steps[axis] = dim === 1 ? 0 : step
    step *= dim
  }
  const places = new Int32Array(shape.reduce((a, b) => a * b, 1))
  const index = shape.map(() => 0)
  let place = 0
  for (let i = 0; i < places.length; i++) {
    places[i] = place
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const next = (index[axis] ?? 0) + 1
      place += steps[axis] ?? 0
      index[axis] = next
      if (next < (shape[axis] ?? 1)) break
      place -= next * (steps[axis] ?? 0)
      index[axis] = 0
    }
  }
  return places
}

/** compute(a, b) elementwise, broadcasting. */
export const computedPairs = (
  cpu: ArenaBackend,
  kernel: string,
  { a, b }: Readonly<Record<"a" | "b", TensorInfo>>,
  dtype: HostType,
  compute: (a: number, b: number) => number
): TensorInfo => {
  const shape = tf.backend_util.assertAndGetBroadcastShape(a.shape, b.shape)
  const [x, y] = [valuesOf(cpu, kernel, a), valuesOf(cpu, kernel, b)]
  const [inX, inY] = [placesOf(a.shape, shape), placesOf(b.shape, shape)]
  return computed(cpu, shape, dtype, (i) => compute(x[inX[i] ?? 0] ?? NaN, y[inY[i] ?? 0] ?? NaN))
}
