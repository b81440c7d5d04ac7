import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import type { Box } from "../../lib/image/index.ts"

const at = (path: string): string => fileURLToPath(new URL(`../goldens/${path}`, import.meta.url))

const isRecord = (x: unknown): x is Record<string, unknown> => typeof x === "object" && x !== null
const record = (x: unknown): Record<string, unknown> => {
  if (isRecord(x)) return x
  throw new Error("expected a record in the golden header")
}
const number = (x: unknown): number => {
  if (typeof x === "number") return x
  throw new Error("expected a number in the golden header")
}
const numbers = (x: unknown): ReadonlyArray<number> => {
  if (Array.isArray(x)) return x.map(number)
  throw new Error("expected numbers in the golden header")
}

const file = readFileSync(at("preprocess.safetensors"))
const headerLength = Number(file.readBigUInt64LE(0))
const header = record(JSON.parse(file.toString("utf8", 8, 8 + headerLength)))
const metadata = record(header["__metadata__"])
const meta = (key: string): unknown => JSON.parse(String(metadata[key]))

/** The names of all tensors. */
export const tensorNames: ReadonlyArray<string> = Object.keys(header).filter((name) => name !== "__metadata__")

/** The bytes and the shape of a tensor; throws when it is not there. */
export const tensor = (name: string): { readonly shape: ReadonlyArray<number>; readonly bytes: Uint8Array } => {
  const entry = record(header[name])
  const [begin = 0, end = 0] = numbers(entry["data_offsets"])
  const bytes = Uint8Array.from(file.subarray(8 + headerLength + begin, 8 + headerLength + end))
  return { shape: numbers(entry["shape"]), bytes }
}

/** A float32 tensor. */
export const floats = (name: string): Float32Array => new Float32Array(tensor(name).bytes.buffer)

/** A U8 [h, w, 3] tensor as a picture. */
export const picture = (name: string): { width: number; height: number; data: Uint8Array } => {
  const { shape: [height = 0, width = 0], bytes } = tensor(name)
  return { width, height, data: bytes }
}

/** One picture of the golden file. */
export interface Case {
  readonly file: string
  readonly width: number
  readonly height: number
  readonly resized: readonly [number, number]
  readonly crop: readonly [number, number]
  readonly linearResize: number
  readonly rrc: Box
}

/** The cases of the file, as its metadata list them. */
export const cases: ReadonlyArray<Case> = [meta("images")].flat().map(record).map((image) => {
  const box = record(image["rrc"])
  return {
    file: String(image["file"]),
    width: number(image["width"]),
    height: number(image["height"]),
    resized: [number(image["resized_w"]), number(image["resized_h"])] as const,
    crop: [number(image["crop_left"]), number(image["crop_top"])] as const,
    linearResize: number(image["linear_resize"]),
    rrc: {
      left: number(box["left"]),
      top: number(box["top"]),
      width: number(box["width"]),
      height: number(box["height"])
    }
  }
})

export const size: number = number(meta("size"))
export const mean: ReadonlyArray<number> = numbers(meta("mean"))
export const std: ReadonlyArray<number> = numbers(meta("std"))

/** A file of the `preprocess` folder. */
export const bytesOf = (name: string): Uint8Array => new Uint8Array(readFileSync(at(`preprocess/${name}`)))

/** The largest difference of two equally long lists. */
export const maxDifference = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  if (a.length !== b.length) return Infinity
  let most = 0
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs((a[i] ?? NaN) - (b[i] ?? NaN)))
  return most
}
