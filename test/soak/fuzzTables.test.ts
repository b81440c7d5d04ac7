import { NodeServices } from "@effect/platform-node"
import { Cause, Effect, Exit, FileSystem, Layer, Stream } from "effect"
import { parquetWriteBuffer } from "hyparquet-writer"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import { gzipSync } from "node:zlib"
import { describe, expect, it } from "vitest"
import { captionTable } from "../../lib/data/index.ts"
import { sharpDecoder } from "../../lib/image/sharp.ts"
import { fold, integerBelow, keyOf, uniformSequence } from "../../lib/tensor/random.ts"
import { parquetCodecs } from "../../pipelines/parquetCodecs.ts"
import { temporary } from "../pipelines/tiny.ts"

/** More by option: `DIFFCLIP_FUZZ=100000 npm run test:soak`. */
const rounds = Number(process.env["DIFFCLIP_FUZZ"] ?? "10000")

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

/** Bytes that mean something to a reader of tables. */
const TELLING = text('",\t\n\r\\{}[]:\0\uFEFF')

/** A copy that is cut, doubled in the middle, or has a few bytes changed; a function of (name, round). */
const mutated = (bytes: Uint8Array, name: string, round: number): Uint8Array => {
  const next = uniformSequence(fold(keyOf(17), name, round))
  const kind = integerBelow(next, 6)
  const at = integerBelow(next, bytes.length)
  if (kind === 0) return bytes.slice(0, at)
  if (kind === 1) return Uint8Array.from([...bytes.slice(0, at), ...bytes.slice(Math.floor(at / 2))])
  const out = Uint8Array.from(bytes)
  for (let i = 0; i <= integerBelow(next, 8); i++) {
    // A third of the changes hit the last bytes, where Parquet keeps what decides about allocations.
    const place = kind === 2 ? Math.max(0, out.length - 1 - integerBelow(next, 400)) : integerBelow(next, out.length)
    out[place] = kind === 3 ? TELLING[integerBelow(next, TELLING.length)] ?? 0 : integerBelow(next, 256)
  }
  return out
}

const pictures = Array.from({ length: 9 }, (_, i) => `${i}.png`)
const rows = pictures.map((name, i) => [name, `a "caption", number ${i}`] as const)
const quoted = (field: string): string => `"${field.replaceAll('"', '""')}"`
const columnData = [
  { name: "image_path", data: pictures },
  { name: "caption", data: rows.map(([, caption]) => caption) },
  { name: "captions", data: rows.map(([name, caption]) => [name, caption]) }
]
const compressors = { GZIP: (bytes: Uint8Array) => new Uint8Array(gzipSync(bytes)) }
const parquet = (codec: "SNAPPY" | "GZIP"): Uint8Array =>
  new Uint8Array(parquetWriteBuffer({ columnData, rowGroupSize: 4, codec, compressors }))

const csv = text(`image,caption\r\n${rows.map((row) => row.map(quoted).join(",")).join("\r\n")}`)
const tables: ReadonlyArray<readonly [name: string, bytes: Uint8Array, share: number]> = [
  ["a.csv", csv, 0.5],
  ["a.tsv", text(`image_path\tcaption\n${rows.map((row) => row.join("\t")).join("\n")}\n`), 1],
  ["a.jsonl", text(rows.map(([image, caption]) => JSON.stringify({ image, caption: [caption, "x"] })).join("\n")), 0.5],
  ["a.csv.gz", new Uint8Array(gzipSync(csv)), 0.1],
  ["snappy.parquet", parquet("SNAPPY"), 0.25],
  ["gzip.parquet", parquet("GZIP"), 0.25]
]

const services = Layer.mergeAll(NodeServices.layer, sharpDecoder, parquetCodecs)
const onBadSample = { policy: "skip", ceiling: Infinity } as const

/** Opens and reads a table whose pictures are not there. */
const read = (file: string) =>
  Effect.flatMap(
    captionTable(file, { maxTableBytes: 1_000_000, onBadSample }),
    (table) =>
      Stream.runDrain(table.windows({ seed: 0, windowSize: 64, order: "shuffled" }, { epoch: 0, delivered: 0 }))
  )

const nothing = FileSystem.makeNoop({})

/** A file system with one file, in memory or (what is read by position) on disk, and no pictures. */
const withFile = (fs: FileSystem.FileSystem, file: string, bytes: Uint8Array | undefined): FileSystem.FileSystem => ({
  ...nothing,
  open: fs.open,
  stat: (path) => (path === file ? fs : nothing).stat(path),
  stream: (_, options = {}) => {
    const from = options.offset === undefined ? 0 : Number(options.offset)
    const end = options.bytesToRead === undefined ? undefined : from + Number(options.bytesToRead)
    return Stream.make(bytes?.slice(from, end) ?? text(""))
  },
  readFile: () => Effect.succeed(bytes ?? text(""))
})

describe("a broken table gives a typed error, never a defect, and never hangs", () => {
  it.each(tables)("%s", async (name, bytes, share) => {
    const file = join(temporary(), name)
    const onDisk = name.endsWith(".parquet")
    let [opened, longest] = [0, 0]
    const run = Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      for (let round = 0; round < rounds * share; round++) {
        const broken = mutated(bytes, name, round)
        if (onDisk) writeFileSync(file, broken)
        const begin = performance.now()
        const exit = yield* read(file).pipe(
          Effect.provideService(FileSystem.FileSystem, withFile(fs, file, onDisk ? undefined : broken)),
          Effect.exit
        )
        longest = Math.max(longest, performance.now() - begin)
        if (Exit.isSuccess(exit)) opened++
        const isTyped = Exit.isSuccess(exit) ||
          exit.cause.reasons.every((reason) => Cause.isFailReason(reason) && reason.error._tag === "TableError")
        expect(isTyped, `round ${round}: ${String(exit)}`).toBe(true)
      }
    })
    await Effect.runPromise(Effect.provide(run, services))
    expect(opened).toBeGreaterThan(0)
    expect(longest).toBeLessThan(5_000)
    expect(process.memoryUsage().rss).toBeLessThan(3e9)
  }, 3_600_000)
})
