import type { Shape } from "../../tensor/index.ts"
import { sizeOf } from "../../tensor/index.ts"

/** A tensor to be pickled: contiguous, alone in its storage. */
export interface PickledTensor {
  readonly storageClass: string
  readonly key: string
  readonly shape: Shape
}

/** What is written: plain values, dicts as maps (which keep order), and tensors. */
export type Picklable =
  | null
  | boolean
  | number
  | string
  | ReadonlyArray<Picklable>
  | ReadonlyMap<string, Picklable>
  | PickledTensor

const isArray = (value: Picklable): value is ReadonlyArray<Picklable> => Array.isArray(value)
const isMap = (value: Picklable): value is ReadonlyMap<string, Picklable> => value instanceof Map

const ascii = (text: string): ReadonlyArray<number> => Array.from(text, (char) => char.charCodeAt(0))
const littleEndian = (value: number): ReadonlyArray<number> => [0, 8, 16, 24].map((shift) => (value >>> shift) & 255)

const text = (value: string): ReadonlyArray<number> => {
  const bytes = new TextEncoder().encode(value)
  return [0x58, ...littleEndian(bytes.length), ...bytes]
}

const double = (value: number): ReadonlyArray<number> => {
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, value, false)
  return [0x47, ...new Uint8Array(view.buffer)]
}

/** A whole number above 32 bits, in two's complement. */
const long = (value: number): ReadonlyArray<number> => {
  const view = new DataView(new ArrayBuffer(8))
  view.setBigInt64(0, BigInt(value), true)
  return [0x8a, 8, ...new Uint8Array(view.buffer)]
}

const number = (value: number): ReadonlyArray<number> => {
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) return double(value)
  if (value >= 0 && value < 256) return [0x4b, value]
  return value >= -(2 ** 31) && value < 2 ** 31 ? [0x4a, ...littleEndian(value)] : long(value)
}

const global = (module: string, name: string): ReadonlyArray<number> => ascii(`c${module}\n${name}\n`)
const tuple = (...items: ReadonlyArray<ReadonlyArray<number>>): ReadonlyArray<number> => [0x28, ...items.flat(), 0x74]

/** Elements between two of an axis, row-major. */
const strides = (shape: Shape): ReadonlyArray<number> => shape.map((_, axis) => sizeOf(shape.slice(axis + 1)))

const tensor = ({ storageClass, key, shape }: PickledTensor): ReadonlyArray<number> => [
  ...global("torch._utils", "_rebuild_tensor_v2"),
  ...tuple(
    [...tuple(text("storage"), global("torch", storageClass), text(key), text("cpu"), number(sizeOf(shape))), 0x51],
    number(0),
    tuple(...shape.map(number)),
    tuple(...strides(shape).map(number)),
    [0x89], // does not ask for gradients
    [...global("collections", "OrderedDict"), 0x29, 0x52] // no hooks
  ),
  0x52
]

const encode = (value: Picklable): ReadonlyArray<number> => {
  if (value === null) return [0x4e]
  if (typeof value === "boolean") return [value ? 0x88 : 0x89]
  if (typeof value === "number") return number(value)
  if (typeof value === "string") return text(value)
  if (isArray(value)) return value.length === 0 ? [0x5d] : [0x5d, 0x28, ...value.flatMap(encode), 0x65]
  if (isMap(value)) {
    const entries = [...value].flatMap(([key, item]) => [...text(key), ...encode(item)])
    return entries.length === 0 ? [0x7d] : [0x7d, 0x28, ...entries, 0x75]
  }
  return tensor(value)
}

/**
 * A pickle of protocol 2 as `torch.load` reads it with `weights_only`: dicts, lists, texts, numbers and tensors, no memo.
 * The same value gives the same bytes.
 */
export const encodePickle = (value: Picklable): Uint8Array => Uint8Array.from([0x80, 2, ...encode(value), 0x2e])
