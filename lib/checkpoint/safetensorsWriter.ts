import type { Shape } from "../tensor/index.ts"
import { ShapeError, sizeOf } from "../tensor/index.ts"
import type { Dtype } from "./dtypes.ts"
import { dtypeBytes } from "./dtypes.ts"

/** A tensor to be written: row-major, little-endian bytes. */
export interface TensorToWrite {
  readonly name: string
  readonly dtype: Dtype
  readonly shape: Shape
  readonly bytes: Uint8Array
}

/** A file to be written: its size, and its bytes one piece after the other, as views of the tensors' own memory. */
export interface SafetensorsImage {
  readonly numBytes: number
  /** The file's bytes in pieces; may be asked for again. */
  readonly chunks: () => Generator<Uint8Array, void, undefined>
}

/** The largest piece that `chunks` yields: 4 MiB. */
const CHUNK_BYTES = 4 * 1024 * 1024

/** float32 numbers as a tensor to be written; no copy. Every runtime we run on is little-endian. */
export const float32Tensor = (name: string, shape: Shape, data: Float32Array): TensorToWrite => ({
  name,
  dtype: "F32",
  shape,
  bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
})

/** int32 numbers as a tensor to be written; no copy. */
export const int32Tensor = (name: string, shape: Shape, data: Int32Array): TensorToWrite => ({
  name,
  dtype: "I32",
  shape,
  bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
})

const checkTensors = (tensors: ReadonlyArray<TensorToWrite>): void => {
  const names = new Set<string>()
  for (const { name, dtype, shape, bytes } of tensors) {
    const expected = sizeOf(shape) * dtypeBytes[dtype]
    if (bytes.byteLength !== expected) {
      throw new ShapeError("encodeSafetensors", `${expected} bytes for ${name}`, `${bytes.byteLength}`)
    }
    if (names.has(name) || name === "__metadata__") {
      throw new ShapeError("encodeSafetensors", "each tensor name once, none of them __metadata__", name)
    }
    names.add(name)
  }
}

const headerOf = (tensors: ReadonlyArray<TensorToWrite>, metadata: Readonly<Record<string, string>>): Uint8Array => {
  const sorted = Object.entries(metadata).sort(([a], [b]) => a < b ? -1 : 1)
  const texts = sorted.map(([key, text]) => `${JSON.stringify(key)}:${JSON.stringify(text)}`)
  const entries = sorted.length === 0 ? [] : [`"__metadata__":{${texts.join(",")}}`]
  let begin = 0
  // Written by hand, because a JSON object would move names that look like numbers to the front.
  for (const { name, dtype, shape, bytes } of tensors) {
    const end = begin + bytes.byteLength
    entries.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [begin, end] })}`)
    begin = end
  }
  const json = new TextEncoder().encode(`{${entries.join(",")}}`)
  const length = Math.ceil(json.length / 8) * 8
  const header = new Uint8Array(8 + length).fill(0x20) // spaces up to a multiple of 8
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true)
  header.set(json, 8)
  return header
}

/**
 * A safetensors file of the given tensors, in the given order, and metadata sorted by key: the same input gives the same
 * bytes. The data start at a multiple of 8. Throws ShapeError where bytes and shape differ or a name occurs twice.
 * Source: the safetensors format.
 */
export const encodeSafetensors = (
  tensors: ReadonlyArray<TensorToWrite>,
  metadata: Readonly<Record<string, string>> = {}
): SafetensorsImage => {
  checkTensors(tensors)
  const header = headerOf(tensors, metadata)
  return {
    numBytes: tensors.reduce((sum, { bytes }) => sum + bytes.byteLength, header.length),
    chunks: function* () {
      yield header
      for (const { bytes } of tensors) {
        for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES)
      }
    }
  }
}

/** The whole file in one piece, for files that are small. */
export const bytesOf = ({ numBytes, chunks }: SafetensorsImage): Uint8Array => {
  const bytes = new Uint8Array(numBytes)
  let at = 0
  for (const chunk of chunks()) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}
