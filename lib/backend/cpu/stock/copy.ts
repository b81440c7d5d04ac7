import type { TensorInfo } from "@tensorflow/tfjs-core"
import { written } from "../address.ts"
import type { ArenaBackend } from "../backend.ts"

/** One axis of a copy: how many steps, and how far each goes in source and target, in elements. */
export interface CopyAxis {
  readonly size: number
  readonly from: number
  readonly to: number
}

/** Elements from one index to the next along each axis of a contiguous tensor. */
export const stridesOf = (shape: ReadonlyArray<number>): ReadonlyArray<number> => {
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

/** What the kernel takes. */
const MOST_AXES = 6

/** Copies 4-byte numbers between two address patterns of any rank. Addresses are of the first elements. */
export const copyAxes = (cpu: ArenaBackend, from: number, to: number, axes: ReadonlyArray<CopyAxis>): void => {
  if (axes.some(({ size }) => size === 0)) return
  copyMerged(cpu, from, to, merged(axes))
}

const copyMerged = (cpu: ArenaBackend, from: number, to: number, axes: ReadonlyArray<CopyAxis>): void => {
  const [first, ...others] = axes
  if (first !== undefined && axes.length > MOST_AXES) {
    for (let i = 0; i < first.size; i++) copyMerged(cpu, from + 4 * i * first.from, to + 4 * i * first.to, others)
    return
  }
  const inner = axes.at(-1) ?? { size: 1, from: 1, to: 1 }
  const outer = axes.slice(0, -1)
  // The kernel's threads share the four outermost axes, so the fifth is used only when there is no other place.
  const rest = outer.length <= 4 ? [...outer, ONE] : outer
  const six = [...Array.from({ length: 5 - rest.length }, () => ONE), ...rest, inner]
  const words = [from, written(to), ...six.map((a) => a.size), ...six.map((a) => a.from), ...six.map((a) => a.to)]
  cpu.run("copyStrided", words, [], axes.reduce((product, { size }) => product * size, 1))
}

/** A new tensor [shape] of the elements of x that lie `strides` apart, the first `offset` elements after x's own. */
export const gathered = (
  cpu: ArenaBackend,
  x: TensorInfo,
  shape: ReadonlyArray<number>,
  strides: ReadonlyArray<number>,
  offset = 0
): TensorInfo => {
  const y = cpu.output(shape, x.dtype === "int32" ? "int32" : "float32")
  const own = stridesOf(shape)
  const axes = shape.map((size, i) => ({ size, from: strides[i] ?? 0, to: own[i] ?? 0 }))
  copyAxes(cpu, cpu.address(x) + 4 * offset, y.address, axes)
  return y.info
}

/** x with its axes in another order. */
export const permuted = (cpu: ArenaBackend, x: TensorInfo, order: ReadonlyArray<number>): TensorInfo => {
  const strides = stridesOf(x.shape)
  return gathered(cpu, x, order.map((axis) => x.shape[axis] ?? 1), order.map((axis) => strides[axis] ?? 0))
}

/** x repeated along its axes of size 1, and along new leading ones. */
export const spreadOver = (cpu: ArenaBackend, x: TensorInfo, shape: ReadonlyArray<number>): TensorInfo => {
  const lead = shape.length - x.shape.length
  const strides = stridesOf(x.shape)
  return gathered(
    cpu,
    x,
    shape,
    shape.map((_, i) => i < lead || x.shape[i - lead] === 1 ? 0 : strides[i - lead] ?? 0)
  )
}
