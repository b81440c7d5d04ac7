import { Effect } from "effect"
import type { Shape } from "../tensor/index.ts"
import type { Dtype } from "./dtypes.ts"
import { dtypeBytes, isDtype } from "./dtypes.ts"
import { duplicateKey } from "./duplicateKey.ts"
import type { CheckpointError, CheckpointErrorReason } from "./errors.ts"
import { checkpointError } from "./errors.ts"

/** The longest header that is parsed: 100 MB, as in the reference implementation of the format. */
export const maxHeaderBytes = 100_000_000

/** Where a tensor lies: bytes `begin` to `end` of the body. */
export interface TensorEntry {
  readonly name: string
  readonly dtype: Dtype
  readonly shape: Shape
  readonly begin: number
  readonly end: number
}

/** A checked header: entries in the order of their bytes, and where the body starts in the file. */
export interface SafetensorsHeader {
  readonly metadata: Readonly<Record<string, string>>
  readonly entries: ReadonlyArray<TensorEntry>
  readonly bodyStart: number
}

type Fail = (expected: string, found: string, tensor?: string, reason?: CheckpointErrorReason) => CheckpointError

const failer = (file: string): Fail => (expected, found, tensor, reason = "malformed") =>
  checkpointError({
    reason,
    file,
    ...(tensor === undefined ? {} : { tensor }),
    expected,
    found,
    advice: reason === "unsupported" ?
      "convert the tensor to F32 first" :
      "the file is damaged or no safetensors file; fetch or write it again"
  })

const isRecord = (x: unknown): x is Readonly<Record<string, unknown>> =>
  typeof x === "object" && x !== null && !Array.isArray(x)
const isCounts = (x: unknown): x is ReadonlyArray<number> =>
  Array.isArray(x) && x.every((n) => Number.isSafeInteger(n) && n >= 0)
const isTexts = (x: unknown): x is Readonly<Record<string, string>> =>
  isRecord(x) && Object.values(x).every((value) => typeof value === "string")

const shown = (x: unknown): string => String(JSON.stringify(x)).slice(0, 80)

const headerText = (bytes: Uint8Array, numBytes: number, fail: Fail): Effect.Effect<string, CheckpointError> =>
  Effect.suspend(() => {
    if (bytes.length < 8) return fail("8 bytes of header length", `${bytes.length} bytes in all`)
    const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true)
    if (length > BigInt(maxHeaderBytes)) return fail(`a header of at most ${maxHeaderBytes} bytes`, `${length}`)
    if (Number(length) > numBytes - 8) return fail(`a header of ${length} bytes`, `${numBytes - 8} bytes`)
    const stored = bytes.subarray(8, 8 + Number(length))
    return Effect.try({
      try: () => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(stored),
      catch: () => fail("a header in UTF-8", "other bytes")
    })
  })

const parse = (text: string, fail: Fail): Effect.Effect<Readonly<Record<string, unknown>>, CheckpointError> =>
  Effect.gen(function* () {
    if (!text.startsWith("{")) return yield* fail("a header that starts with {", shown(text.slice(0, 8)))
    const json = yield* Effect.try({
      try: (): unknown => JSON.parse(text),
      catch: () => fail("a header in JSON", shown(text.slice(0, 40)))
    })
    if (!isRecord(json)) return yield* fail("a JSON object as header", shown(json))
    const twice = duplicateKey(text)
    if (twice !== undefined) return yield* fail("each name once", `${shown(twice)} twice`, twice)
    return json
  })

const entryOf = (name: string, entry: unknown, bodyBytes: number, fail: Fail) =>
  Effect.gen(function* () {
    if (!isRecord(entry)) return yield* fail("an entry with dtype, shape and data_offsets", shown(entry), name)
    const { dtype, shape, data_offsets: offsets } = entry
    if (typeof dtype !== "string") return yield* fail("a dtype", shown(dtype), name)
    if (!isDtype(dtype)) return yield* fail(Object.keys(dtypeBytes).join(", "), shown(dtype), name, "unsupported")
    if (!isCounts(shape)) return yield* fail("a shape of whole numbers", shown(shape), name)
    const [begin, end, ...more] = isCounts(offsets) ? offsets : []
    if (begin === undefined || end === undefined || more.length > 0) {
      return yield* fail("two data_offsets", shown(offsets), name)
    }
    if (begin > end || end > bodyBytes) {
      return yield* fail(`offsets within ${bodyBytes} bytes of data`, `${begin} to ${end}`, name)
    }
    const size = shape.reduce((product, n) => product * n, dtypeBytes[dtype])
    if (size !== end - begin) {
      return yield* fail(`${size} bytes for ${dtype} [${shape}]`, `${end - begin} bytes`, name)
    }
    return { name, dtype, shape, begin, end }
  })

/**
 * Reads and checks the header of a safetensors file: length within the cap and the file, valid JSON, no name twice,
 * known dtypes, dtype x shape = bytes, and tensors that fill the body without a gap or an overlap. Only the header is
 * parsed; nothing is allocated in proportion to what it claims. Fails with `malformed`, or `unsupported` for other dtypes.
 * `numBytes` is the size of the whole file where `bytes` are only its front, header included.
 * Source: the safetensors format.
 */
export const readHeader = (
  file: string,
  bytes: Uint8Array,
  numBytes: number = bytes.length
): Effect.Effect<SafetensorsHeader, CheckpointError> =>
  Effect.gen(function* () {
    const fail = failer(file)
    const text = yield* headerText(bytes, numBytes, fail)
    const { __metadata__: metadata = {}, ...stored } = yield* parse(text, fail)
    if (!isTexts(metadata)) return yield* fail("metadata from text to text", shown(metadata))
    // Not text.length: a header in UTF-8 may have more bytes than characters.
    const bodyStart = 8 + Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true))
    const bodyBytes = numBytes - bodyStart
    const entries: Array<TensorEntry> = []
    for (const [name, entry] of Object.entries(stored)) entries.push(yield* entryOf(name, entry, bodyBytes, fail))
    entries.sort((a, b) => a.begin - b.begin || a.end - b.end)
    let covered = 0
    for (const { name, begin, end } of entries) {
      if (begin !== covered) {
        const kind = begin > covered ? "a gap before it" : "an overlap with the one before"
        return yield* fail(`data from byte ${covered}`, `byte ${begin}, ${kind}`, name)
      }
      covered = end
    }
    if (covered !== bodyBytes) return yield* fail(`${covered} bytes of data`, `${bodyBytes} bytes`)
    return { metadata, entries, bodyStart }
  })
