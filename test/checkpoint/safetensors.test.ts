import { it } from "@effect/vitest"
import { Effect } from "effect"
import fc from "fast-check"
import { describe, expect } from "vitest"
import type { Dtype, TensorToWrite } from "../../lib/checkpoint/index.ts"
import {
  bytesOf,
  CheckpointError,
  encodeSafetensors,
  float32Tensor,
  int32Tensor,
  readSafetensors,
  toFloat32,
  toIntegers
} from "../../lib/checkpoint/index.ts"
import { dtypeBytes } from "../../lib/checkpoint/dtypes.ts"
import { ShapeError, sizeOf } from "../../lib/tensor/index.ts"

const read = (bytes: Uint8Array) => Effect.runSync(readSafetensors("file", bytes))
const failure = (bytes: Uint8Array) => Effect.runSync(Effect.flip(readSafetensors("file", bytes)))

/** A file of a header as it is given and a body of zeros. */
const fileOf = (
  header: string,
  bodyBytes = 0,
  length = BigInt(new TextEncoder().encode(header).length)
): Uint8Array => {
  const text = new TextEncoder().encode(header)
  const bytes = new Uint8Array(8 + text.length + bodyBytes)
  new DataView(bytes.buffer).setBigUint64(0, length, true)
  bytes.set(text, 8)
  return bytes
}
const entry = (dtype: string, shape: ReadonlyArray<number>, begin: number, end: number): string =>
  JSON.stringify({ dtype, shape, data_offsets: [begin, end] })

const names = Object.keys(dtypeBytes).filter((name): name is Dtype => Object.hasOwn(dtypeBytes, name))
const tensor = fc.record({
  name: fc.string().filter((name) => name !== "__metadata__"),
  dtype: fc.constantFrom(...names),
  shape: fc.array(fc.nat(4), { maxLength: 4 })
}).chain(({ name, dtype, shape }) => {
  const length = sizeOf(shape) * dtypeBytes[dtype]
  return fc.uint8Array({ minLength: length, maxLength: length }).map((bytes): TensorToWrite => ({
    name,
    dtype,
    shape,
    bytes
  }))
})
const tensors = fc.uniqueArray(tensor, { selector: ({ name }) => name, maxLength: 6 })

describe("round trip", () => {
  it("names, dtypes, shapes, bytes, order and metadata come back, and the data start at a multiple of 8", () => {
    fc.assert(fc.property(tensors, fc.dictionary(fc.string(), fc.string()), (written, metadata) => {
      const image = encodeSafetensors(written, metadata)
      const bytes = bytesOf(image)
      expect(bytes.length).toBe(image.numBytes)
      const file = read(bytes)
      expect(Object.entries(file.metadata).sort()).toEqual(Object.entries(metadata).sort())
      expect(file.tensors.size).toBe(written.length)
      for (const { name, dtype, shape, bytes: data } of written) {
        const found = file.tensors.get(name)
        expect(found).toMatchObject({ name, dtype, shape })
        expect([...found?.bytes ?? []]).toEqual([...data])
      }
      const filled = written.filter(({ bytes: { length } }) => length > 0).map(({ name }) => name)
      const order = [...file.tensors.values()].filter(({ bytes: { length } }) => length > 0).map(({ name }) => name)
      expect(order).toEqual(filled)
      expect(Number(new DataView(bytes.buffer).getBigUint64(0, true)) % 8).toBe(0)
    }))
  })

  it("the same input gives the same bytes, whatever the order of the metadata", () => {
    const one = [float32Tensor("b", [2], Float32Array.of(1, 2)), int32Tensor("10", [1], Int32Array.of(-3))]
    const bytes = bytesOf(encodeSafetensors(one, { x: "1", y: "2" }))
    expect(bytesOf(encodeSafetensors(one, { y: "2", x: "1" }))).toEqual(bytes)
  })

  it("chunks are views of the tensors, at most 4 MiB each", () => {
    const data = new Float32Array(3_000_000)
    const chunks = [...encodeSafetensors([float32Tensor("x", [data.length], data)]).chunks()].slice(1)
    expect(chunks.map(({ length }) => length)).toEqual([4_194_304, 4_194_304, 3_611_392])
    expect(chunks.every(({ buffer }) => buffer === data.buffer)).toBe(true)
  })

  it("a name twice, or bytes that do not fill the shape, are refused", () => {
    const x = float32Tensor("x", [1], Float32Array.of(1))
    expect(() => encodeSafetensors([x, x])).toThrow(ShapeError)
    expect(() => encodeSafetensors([{ ...x, shape: [2] }])).toThrow(ShapeError)
  })
})

describe("conversion", () => {
  const of = (dtype: Dtype, shape: ReadonlyArray<number>, bytes: Uint8Array) => ({ name: "x", dtype, shape, bytes })
  const view = (array: ArrayBufferView): Uint8Array =>
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength).slice()

  it("F16, BF16 and F64 become the float32 that they stand for", () => {
    const half = Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0001, 0x8000, 0x7c00, 0xfc00, 0x7e00)
    expect([...Effect.runSync(toFloat32("file", of("F16", [8], view(half))))])
      .toEqual([1, -2, 65504, 2 ** -24, -0, Infinity, -Infinity, NaN])
    const brain = Uint16Array.of(0x3f80, 0xc040, 0x7f7f, 0x0001)
    expect([...Effect.runSync(toFloat32("file", of("BF16", [4], view(brain))))])
      .toEqual([1, -3, 2 ** 127 * (2 - 2 ** -7), 2 ** -133])
    const double = Float64Array.of(0.1, -1e300)
    expect([...Effect.runSync(toFloat32("file", of("F64", [2], view(double))))]).toEqual([Math.fround(0.1), -Infinity])
  })

  it("F32 is read in place where it is aligned and copied where it is not", () => {
    const bytes = view(Float32Array.of(1.5, -2.5))
    const aligned = Effect.runSync(toFloat32("file", of("F32", [2], bytes)))
    expect(aligned.buffer).toBe(bytes.buffer)
    const shifted = new Uint8Array(9)
    shifted.set(bytes, 1)
    expect([...Effect.runSync(toFloat32("file", of("F32", [2], shifted.subarray(1))))]).toEqual([1.5, -2.5])
  })

  it("whole numbers are read as such, and each kind is refused as the other", () => {
    const cases: ReadonlyArray<readonly [Dtype, ArrayBufferView, ReadonlyArray<number>]> = [
      ["I64", BigInt64Array.of(-(2n ** 40n), 2n ** 40n + 1n), [-(2 ** 40), 2 ** 40 + 1]],
      ["I32", Int32Array.of(-7, 2 ** 31 - 1), [-7, 2 ** 31 - 1]],
      ["I16", Int16Array.of(-7, 32767), [-7, 32767]],
      ["I8", Int8Array.of(-7, 127), [-7, 127]],
      ["U8", Uint8Array.of(7, 255), [7, 255]],
      ["BOOL", Uint8Array.of(0, 1), [0, 1]]
    ]
    for (const [dtype, array, expected] of cases) {
      const stored = of(dtype, [2], view(array))
      expect([...Effect.runSync(toIntegers("file", stored))], dtype).toEqual(expected)
      expect(Effect.runSync(Effect.flip(toFloat32("file", stored)))).toMatchObject({ reason: "dtype", tensor: "x" })
    }
    const floats = of("F32", [1], view(Float32Array.of(1)))
    expect(Effect.runSync(Effect.flip(toIntegers("file", floats)))).toMatchObject({ reason: "dtype", found: "F32" })
  })
})

describe("hostile files are typed errors", () => {
  const cases: ReadonlyArray<readonly [string, Uint8Array, string]> = [
    ["nothing", new Uint8Array(0), "0 bytes in all"],
    ["seven bytes", new Uint8Array(7), "7 bytes in all"],
    ["a length of 2^63", fileOf("{}", 0, 2n ** 63n), "9223372036854775808"],
    ["a length above the cap", fileOf("{}", 0, 100_000_001n), "100000001"],
    ["a length beyond the file", fileOf("{}", 0, 3n), "2 bytes"],
    ["no JSON", fileOf("{x}"), "{x}"],
    ["no UTF-8", Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff), "other bytes"],
    ["a list", fileOf("[]"), "[]"],
    ["leading space", fileOf(" {}"), " {}"],
    ["metadata that are no text", fileOf(`{"__metadata__":{"a":1}}`), '{"a":1}'],
    ["an entry that is none", fileOf(`{"x":3}`), "3"],
    ["no dtype", fileOf(`{"x":{"shape":[],"data_offsets":[0,0]}}`), "undefined"],
    ["a negative dimension", fileOf(`{"x":${entry("U8", [-1], 0, 0)}}`), "[-1]"],
    ["half a dimension", fileOf(`{"x":${entry("U8", [0.5], 0, 0)}}`), "[0.5]"],
    ["three offsets", fileOf(`{"x":{"dtype":"U8","shape":[],"data_offsets":[0,1,1]}}`, 1), "[0,1,1]"],
    ["offsets backwards", fileOf(`{"x":${entry("U8", [0], 1, 0)}}`, 1), "1 to 0"],
    ["offsets beyond the file", fileOf(`{"x":${entry("F32", [1], 0, 4)}}`, 3), "0 to 4"],
    ["a shape that is too small", fileOf(`{"x":${entry("F32", [2], 0, 4)}}`, 4), "4 bytes"],
    ["a shape that overflows", fileOf(`{"x":${entry("F32", [2 ** 40, 2 ** 40], 0, 0)}}`), "0 bytes"],
    ["an overlap", fileOf(`{"x":${entry("U8", [2], 0, 2)},"y":${entry("U8", [2], 1, 3)}}`, 3), "an overlap"],
    ["the same bytes twice", fileOf(`{"x":${entry("U8", [2], 0, 2)},"y":${entry("U8", [2], 0, 2)}}`, 2), "an overlap"],
    ["a gap", fileOf(`{"x":${entry("U8", [1], 0, 1)},"y":${entry("U8", [1], 2, 3)}}`, 3), "a gap"],
    ["bytes after the last tensor", fileOf(`{"x":${entry("U8", [1], 0, 1)}}`, 2), "2 bytes"],
    ["a name twice", fileOf(`{"x":${entry("U8", [1], 0, 1)},"\\u0078":${entry("U8", [1], 0, 1)}}`, 1), '"x" twice'],
    ["a key twice", fileOf(`{"x":{"dtype":"U8","dtype":"I8","shape":[0],"data_offsets":[0,0]}}`), '"dtype" twice']
  ]
  it.each(cases)("%s", (_, bytes, found) => {
    const error = failure(bytes)
    expect(error).toBeInstanceOf(CheckpointError)
    expect(error).toMatchObject({ _tag: "CheckpointError", reason: "malformed", file: "file" })
    expect(error.found).toContain(found)
    expect(error.message).toMatch(/^file.*: expected .+, found .+: .+/)
  })

  it("a dtype that is not read is unsupported, not malformed", () => {
    expect(failure(fileOf(`{"x":${entry("F8_E4M3", [1], 0, 1)}}`, 1)))
      .toMatchObject({ reason: "unsupported", tensor: "x", found: '"F8_E4M3"' })
  })

  it("braces, quotes and colons inside names do not mislead the search for duplicates", () => {
    const odd = ['a"b', "{", "}:", "\\", "__proto__", "constructor", "é", "10", "9"]
    const written = odd.map((name) => float32Tensor(name, [1], Float32Array.of(1)))
    expect([...read(bytesOf(encodeSafetensors(written))).tensors.keys()]).toEqual(odd)
  })

  it("any cut and any flipped byte of a header gives a file or a typed error, never a defect", () => {
    const bytes = bytesOf(encodeSafetensors([float32Tensor("x", [2], Float32Array.of(1, 2))], { a: "b" }))
    const outcome = (file: Uint8Array) =>
      Effect.runSync(
        readSafetensors("file", file).pipe(
          Effect.as("read"),
          Effect.catchTag("CheckpointError", () => Effect.succeed("refused"))
        )
      )
    for (let length = 0; length < bytes.length; length++) expect(outcome(bytes.subarray(0, length))).toBe("refused")
    fc.assert(
      fc.property(fc.nat(bytes.length - 9), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = bytes.slice()
        changed[at] = (changed[at] ?? 0) ^ flip
        expect(["read", "refused"]).toContain(outcome(changed))
      }),
      { numRuns: 300 }
    )
  })
})
