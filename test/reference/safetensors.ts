/** Dtypes that occur in the golden files. */
export type GoldenDtype = "F32" | "I32" | "U8"

/** One tensor, row-major. `data` holds the stored numbers, each exact as a double. */
export interface GoldenTensor {
  readonly dtype: GoldenDtype
  readonly shape: ReadonlyArray<number>
  readonly data: Float64Array
}

/** A golden file. Tensors are decoded when asked for; `tensor` throws on an unknown name or an unknown dtype. */
export interface GoldenFile {
  readonly names: ReadonlyArray<string>
  readonly metadata: Readonly<Record<string, string>>
  readonly tensor: (name: string) => GoldenTensor
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)
const isNumbers = (value: unknown): value is ReadonlyArray<number> =>
  Array.isArray(value) && value.every((item) => typeof item === "number")

/** Readers of one little-endian element, with its size in bytes. */
const readers: Record<GoldenDtype, readonly [bytes: number, read: (view: DataView, offset: number) => number]> = {
  F32: [4, (view, offset) => view.getFloat32(offset, true)],
  I32: [4, (view, offset) => view.getInt32(offset, true)],
  U8: [1, (view, offset) => view.getUint8(offset)]
}
const isDtype = (value: unknown): value is GoldenDtype => typeof value === "string" && Object.hasOwn(readers, value)

const tensorOf = (name: string, entry: unknown, body: DataView): GoldenTensor => {
  if (!isRecord(entry)) throw new TypeError(`${name}: the header entry is no object`)
  const { dtype, shape, data_offsets: offsets } = entry
  if (!isDtype(dtype) || !isNumbers(shape) || !isNumbers(offsets)) {
    throw new TypeError(`${name}: expected F32, I32 or U8 with shape and data_offsets, got ${JSON.stringify(entry)}`)
  }
  const [start = NaN, end = NaN] = offsets
  const [bytes, read] = readers[dtype]
  const length = shape.reduce((product, size) => product * size, 1)
  if (end - start !== length * bytes || end > body.byteLength) {
    throw new RangeError(`${name}: [${shape}] of ${dtype} does not fill bytes ${start}..${end} of ${body.byteLength}`)
  }
  return { dtype, shape, data: Float64Array.from({ length }, (_, i) => read(body, start + i * bytes)) }
}

/** Opens a safetensors file. Throws when it is none. */
export const readSafetensors = (bytes: Uint8Array): GoldenFile => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const headerLength = Number(view.getBigUint64(0, true))
  const header: unknown = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerLength)))
  if (!isRecord(header)) throw new TypeError("the header of a safetensors file is an object")
  const { __metadata__: stored = {}, ...entries } = header
  if (!isRecord(stored)) throw new TypeError("the metadata of a safetensors file are an object")
  const metadata = Object.fromEntries(Object.entries(stored).map(([key, value]) => [key, String(value)]))
  const body = new DataView(bytes.buffer, bytes.byteOffset + 8 + headerLength, bytes.byteLength - 8 - headerLength)
  return {
    names: Object.keys(entries),
    metadata,
    tensor: (name) => {
      if (!Object.hasOwn(entries, name)) throw new RangeError(`the file has no tensor ${name}`)
      return tensorOf(name, entries[name], body)
    }
  }
}
