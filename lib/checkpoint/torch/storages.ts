import type { Dtype } from "../dtypes.ts"
import { dtypeBytes } from "../dtypes.ts"
import type { PickleFailures } from "./failures.ts"
import type { PickleValue, TorchStorage, TorchTensor } from "./pickleValue.ts"
import { isGlobal, isStorage, isTuple, kindOf } from "./pickleValue.ts"

/** Every storage class that torch names in a file; undefined where the elements are not decoded. */
export const storageClasses: ReadonlyMap<string, Dtype | undefined> = new Map<string, Dtype | undefined>([
  ["torch FloatStorage", "F32"],
  ["torch DoubleStorage", "F64"],
  ["torch HalfStorage", "F16"],
  ["torch BFloat16Storage", "BF16"],
  ["torch LongStorage", "I64"],
  ["torch IntStorage", "I32"],
  ["torch ShortStorage", "I16"],
  ["torch CharStorage", "I8"],
  ["torch ByteStorage", "U8"],
  ["torch BoolStorage", "BOOL"],
  ["torch ComplexFloatStorage", undefined],
  ["torch ComplexDoubleStorage", undefined],
  ["torch QUInt8Storage", undefined],
  ["torch QInt8Storage", undefined],
  ["torch QInt32Storage", undefined],
  ["torch QUInt4x2Storage", undefined],
  ["torch QUInt2x4Storage", undefined],
  ["torch.storage UntypedStorage", undefined],
  ["torch.storage TypedStorage", undefined]
])

/** The most axes of a tensor; torch itself stops at 64. */
const MAX_AXES = 64
/** A view may repeat its storage's elements (stride 0) up to this many; larger ones have to be stored in full. */
export const maxExpandedElements: number = 2 ** 24

/** The storages of a file by their keys, as its persistent ids name them. */
export interface Storages {
  readonly byKey: ReadonlyMap<string, TorchStorage>
  /** The storage of a persistent id; throws what `failures` makes where it is none or contradicts an earlier one. */
  readonly resolve: (id: PickleValue, offset: number) => TorchStorage
}

const isCount = (x: PickleValue | undefined): x is number => typeof x === "number" && Number.isSafeInteger(x) && x >= 0

/** An empty table of storages. `limit` is the most bytes that one of them can have: the file's size. */
export const makeStorages = ({ malformed }: PickleFailures, limit: number): Storages => {
  const byKey = new Map<string, TorchStorage>()
  const resolve: Storages["resolve"] = (id, offset) => {
    const [tag, type, key, location, numel, view] = isTuple(id) ? id.items : []
    const isFile = tag === "storage" && isGlobal(type) && storageClasses.has(type.name)
    if (!isFile || typeof key !== "string" || typeof location !== "string" || !isCount(numel)) {
      throw malformed(offset, "a persistent id (storage, class, key, location, count)", kindOf(id))
    }
    if (view !== undefined && view !== null) {
      throw malformed(offset, "a storage of its own", "a view of another storage (torch 0.3)", "unsupported")
    }
    const dtype = storageClasses.get(type.name)
    if (numel * (dtype === undefined ? 1 : dtypeBytes[dtype]) > limit) {
      throw malformed(offset, `a storage within the file's ${limit} bytes`, `${numel} elements of ${type.name}`)
    }
    const known = byKey.get(key)
    if (known === undefined) {
      const made: TorchStorage = { kind: "storage", key, className: type.name, dtype, location, numel }
      byKey.set(key, made)
      return made
    }
    if (known.className === type.name && known.numel === numel) return known
    const before = `${known.numel} of ${known.className} as before`
    throw malformed(offset, `storage ${JSON.stringify(key)} of ${before}`, `${numel} of ${type.name}`)
  }
  return { byKey, resolve }
}

const countsOf = (value: PickleValue | undefined): ReadonlyArray<number> | undefined => {
  const items = isTuple(value) ? value.items : undefined
  return items?.every(isCount) === true ? items.filter(isCount) : undefined
}

/** How many elements a shape has; not exact above 2^53, where it is only compared with what is far smaller. */
export const numelOf = (shape: ReadonlyArray<number>): number =>
  shape.includes(0) ? 0 : shape.reduce((product, n) => product * n, 1) // 0 first: sizes that overflow would make it NaN

/**
 * The tensor of `_rebuild_tensor_v2`'s arguments. Every element lies in its storage, and it repeats them at most up to
 * `maxExpandedElements`; throws what `failures` makes otherwise. Nothing is allocated.
 */
export const rebuildTensor = (
  { malformed }: PickleFailures,
  args: ReadonlyArray<PickleValue>,
  at: number
): TorchTensor => {
  const [storage, offset, size, steps, requiresGrad] = args
  const [shape, stride] = [countsOf(size), countsOf(steps)]
  if (args.length < 6 || args.length > 7 || !isStorage(storage) || typeof requiresGrad !== "boolean") {
    throw malformed(at, "a tensor's storage, offset, size, stride and flags", args.map(kindOf).join(", "))
  }
  if (!isCount(offset) || shape === undefined || stride === undefined || shape.length !== stride.length) {
    throw malformed(at, "an offset, a size and a stride of whole numbers from 0", "others")
  }
  if (shape.length > MAX_AXES) throw malformed(at, `at most ${MAX_AXES} axes`, `${shape.length}`)
  const numel = numelOf(shape)
  const last = shape.reduce((index, n, axis) => index + (n - 1) * (stride[axis] ?? 0), offset)
  const text = `[${shape.join(", ")}] with strides [${stride.join(", ")}] from ${offset}`
  if (numel > 0 && last >= storage.numel) {
    throw malformed(at, `a tensor within the ${storage.numel} elements of storage ${JSON.stringify(storage.key)}`, text)
  }
  if (numel > Math.max(storage.numel, maxExpandedElements)) {
    throw malformed(at, `at most ${maxExpandedElements} elements of an expanded tensor`, text, "tooLarge")
  }
  return { kind: "tensor", storage, offset, shape, stride, requiresGrad }
}
