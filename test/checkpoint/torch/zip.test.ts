import { Effect } from "effect"
import { crc32 as zlibCrc32 } from "node:zlib"
import { describe, expect, it } from "vitest"
import { bytesOf, memorySource } from "../../../lib/checkpoint/index.ts"
import { crc32 } from "../../../lib/checkpoint/torch/crc32.ts"
import { encodeZip } from "../../../lib/checkpoint/torch/index.ts"
import { readDirectory } from "../../../lib/checkpoint/torch/zipDirectory.ts"
import { readRecord } from "../../../lib/checkpoint/torch/zipRecord.ts"

const letters = (text: string): Uint8Array => new TextEncoder().encode(text)
const records = [
  { name: "x/a", bytes: letters("first") },
  { name: "x/ü", bytes: new Uint8Array(0) },
  { name: "x/c", bytes: letters("third record") }
]
const zip = bytesOf(encodeZip(records))
const zip64 = bytesOf(encodeZip(records, "always"))

const read = (file: Uint8Array) =>
  Effect.gen(function* () {
    const source = memorySource("file.zip", file)
    const found: Record<string, string> = {}
    for (const [name, record] of yield* readDirectory(source)) {
      found[name] = new TextDecoder().decode(yield* readRecord(source, record, 1000))
    }
    return found
  })

const failure = (file: Uint8Array) => Effect.runSync(Effect.flip(read(file)))

/** A copy with a number of 2, 4 or 8 bytes at `at` (from the end where negative). */
const patched = (file: Uint8Array, at: number, size: 2 | 4 | 8, value: number | bigint): Uint8Array => {
  const out = Uint8Array.from(file)
  const view = new DataView(out.buffer)
  const where = at < 0 ? out.length + at : at
  if (size === 2) view.setUint16(where, Number(value), true)
  else if (size === 4) view.setUint32(where, Number(value), true)
  else view.setBigUint64(where, BigInt(value), true)
  return out
}

const END = -22
const directoryOf = (file: Uint8Array): number => new DataView(file.buffer, file.length - 22).getUint32(16, true)
const directory = directoryOf(zip)
/** The directory of the zip64 file: 56 + 20 + 22 bytes of ends, before which lies what the record says. */
const END64 = -98

describe("a zip file of stored records", () => {
  it.each([["short", zip], ["zip64", zip64]] as const)("%s: what was written is read", (_, file) => {
    expect(Effect.runSync(read(file))).toEqual({ "x/a": "first", "x/ü": "", "x/c": "third record" })
  })

  it("a comment at the end, even one that looks like an end record, is passed over", () => {
    const comment = new Uint8Array(40)
    comment.set(zip.subarray(zip.length - 22))
    const file = patched(zip, -2, 2, comment.length)
    expect(Effect.runSync(read(Uint8Array.from([...file, ...comment])))).toHaveProperty("x/c")
  })

  it("CRC-32 is that of zlib, whole or in pieces", () => {
    const bytes = Uint8Array.from({ length: 1001 }, (_, i) => (i * 7919) >> 3)
    for (const length of [0, 1, 7, 8, 9, 64, 1001]) {
      expect(crc32(bytes.subarray(0, length))).toBe(zlibCrc32(bytes.subarray(0, length)))
    }
    expect(crc32(bytes.subarray(333), crc32(bytes.subarray(0, 333)))).toBe(zlibCrc32(bytes))
  })
})

describe("a zip file that is not as it should be", () => {
  it("cut anywhere, it is a typed error", () => {
    for (let length = 0; length < zip64.length; length += 3) {
      expect(failure(zip64.subarray(0, length))._tag).toBe("CheckpointError")
    }
  })

  const overlapping = patched(zip, directory + 42 + (46 + 3) + (46 + 4), 4, 0) // the third record at the first's place
  it.each(
    [
      ["no magic", Uint8Array.from({ length: 200 }, (_, i) => i), "malformed"],
      ["compressed records", patched(zip, directory + 10, 2, 8), "unsupported"],
      ["encrypted records", patched(zip, directory + 8, 2, 1), "unsupported"],
      ["two records in one place", overlapping, "malformed"],
      ["a size beyond the file", patched(patched(zip, directory + 20, 4, 9999), directory + 24, 4, 9999), "malformed"],
      [
        "a size that reaches into the next record",
        patched(patched(zip, directory + 20, 4, 90), directory + 24, 4, 90),
        "malformed"
      ],
      ["sizes that differ", patched(zip, directory + 24, 4, 4), "malformed"],
      ["an offset in the directory", patched(zip, directory + 42, 4, directory), "malformed"],
      ["a name twice", patched(zip, directory + 46 + 2, 2, 0x63), "malformed"],
      ["another name at the record", patched(zip, 30 + 2, 2, 0x64), "malformed"],
      ["another header at the record", patched(zip, 0, 4, 0), "malformed"],
      ["a name longer than the directory", patched(zip, directory + 28, 2, 60_000), "malformed"],
      ["fewer records than it says", patched(patched(zip, END + 8, 2, 4), END + 10, 2, 4), "malformed"],
      ["a directory elsewhere", patched(zip, END + 16, 4, 10), "malformed"],
      ["a directory of 4 GiB", patched(zip, END + 12, 4, 0xfffffff0), "malformed"],
      ["several disks", patched(zip, END + 4, 2, 1), "unsupported"],
      ["changed content", patched(zip, 64, 2, 0), "checksum"],
      [
        "2^50 records in zip64",
        patched(patched(zip64, END64 + 24, 8, 2n ** 50n), END64 + 32, 8, 2n ** 50n),
        "tooLarge"
      ],
      ["a zip64 directory of 2^62 bytes", patched(zip64, END64 + 40, 8, 2n ** 62n), "malformed"],
      ["a zip64 end record at 2^60", patched(zip64, -42 + 8, 8, 2n ** 60n), "malformed"],
      ["end records that disagree", patched(zip64, -22 + 10, 2, 2), "malformed"]
    ] as const
  )("%s is refused", (_, file, reason) => {
    expect(failure(file)).toMatchObject({ _tag: "CheckpointError", reason })
  })

  it("a record above the cap is refused before it is read", () => {
    const big = bytesOf(encodeZip([{ name: "x/a", bytes: new Uint8Array(2000) }]))
    expect(failure(big)).toMatchObject({ reason: "tooLarge" })
  })
})
