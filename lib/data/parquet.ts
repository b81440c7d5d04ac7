import { Effect, FileSystem } from "effect"
import type { AsyncBuffer, FileMetaData, SchemaTree } from "hyparquet"
import type { ColumnNames, Columns } from "./columns.ts"
import { columnsMissing, fromHeader } from "./columns.ts"
import { TableError } from "./errors.ts"
import { ParquetCodecs } from "./parquetCodecs.ts"
import { shown } from "./shown.ts"
import type { TableBytes } from "./tableBytes.ts"
import { bytesInMemory, tableFileError } from "./tableBytes.ts"

const ALWAYS = ["UNCOMPRESSED", "SNAPPY"]
/** Rows cannot be more than this many times the bytes of the file: what says so is damaged. */
const MAX_ROWS_PER_BYTE = 10_000
/** Rows that are unpacked at a time: values of a dictionary cost the file nothing, each row costs memory. */
const ROWS_AT_ONCE = 32_768

const damaged = (file: string, detail: string): TableError =>
  new TableError({
    file,
    reason: "format",
    message: `expected ${shown(file)} to be a Parquet file, got ${shown(detail)}: fetch or write it again`
  })

const detailOf = (error: unknown): string => error instanceof Error ? error.message : String(error)

/** A value as JSON for the row readers: texts and lists of texts as they are, anything else as what it is no text of. */
const jsonOf = (value: unknown): unknown => {
  if (value === null || value === undefined) return null
  if (typeof value === "string" || typeof value === "boolean") return value
  if (typeof value === "number" || typeof value === "bigint") return Number(value)
  return Array.isArray(value) ? value.map(jsonOf) : {}
}

/** The file for hyparquet: parts of it on demand, never more than it has. */
const openBuffer = (file: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const run = Effect.runPromiseWith(yield* Effect.context())
    const byteLength = Number((yield* fs.stat(file)).size)
    const open = yield* fs.open(file, { flag: "r" })
    const read = async (start: number, end: number): Promise<ArrayBuffer> => {
      const length = Math.min(end, byteLength) - start
      if (!(start >= 0 && length >= 0)) throw new RangeError(`bytes ${start} to ${end} of ${byteLength}`)
      const out = new Uint8Array(length)
      for (let at = 0; at < length;) {
        const count = Number(await run(open.read(out.subarray(at), { position: BigInt(start + at) })))
        if (count === 0) throw new RangeError(`the end of the file at byte ${start + at}`)
        at += count
      }
      return out.buffer
    }
    const slice = (start: number, end = byteLength): Promise<ArrayBuffer> => {
      const part = read(start, end)
      // hyparquet asks for all parts and then may fail before it waits for them: a part that fails after that has no
      // listener, which would end the process. The failure still reaches whoever waits for `part`.
      part.catch(() => undefined)
      return part
    }
    const buffer: AsyncBuffer = { byteLength, slice }
    return buffer
  }).pipe(Effect.mapError(tableFileError(file)))

/** What is needed of a file's metadata, looked at once: a damaged file may lack what the types promise. */
interface Facts {
  readonly header: ReadonlyArray<string>
  readonly groups: ReadonlyArray<number>
  readonly codecs: ReadonlyArray<{ readonly column: string; readonly codec: string }>
}

const factsOf = (metadata: FileMetaData, schema: SchemaTree, numBytes: number): Facts => {
  const header = schema.children.map(({ element }) => element.name)
  if (!header.every((name) => typeof name === "string")) throw new RangeError("a column without a name")
  const groups = metadata.row_groups.map((group) => Number(group.num_rows))
  const strange = groups.find((count) => !(count >= 0 && count <= numBytes * MAX_ROWS_PER_BYTE))
  if (strange !== undefined) throw new RangeError(`a group of ${strange} rows`)
  const codecs = metadata.row_groups.flatMap(({ columns }) =>
    columns.flatMap(({ meta_data }) =>
      meta_data === undefined ? [] : [{ column: meta_data.path_in_schema[0] ?? "", codec: String(meta_data.codec) }]
    )
  )
  return { header, groups, codecs }
}

const namesOf = ({ image, captions }: Columns): ReadonlyArray<string> => [
  image.name,
  ...captions.map(({ name }) => name)
]

const lineOf = (names: ReadonlyArray<string>, value: (name: string) => unknown): string =>
  `${JSON.stringify(Object.fromEntries(names.map((name) => [name, value(name)])))}\n`

/** Where row groups are cut: [first row, row after the last one). */
const slicesOf = function* (groups: ReadonlyArray<number>): Generator<readonly [number, number]> {
  let begin = 0
  for (const numRows of groups) {
    for (let at = 0; at < numRows; at += ROWS_AT_ONCE) {
      yield [begin + at, begin + Math.min(at + ROWS_AT_ONCE, numRows)]
    }
    begin += numRows
  }
}

/**
 * The columns for pictures and captions of a Parquet file as lines of JSON in memory, each row once and nothing else: it
 * has no rows to read by ranges. Some 30,000 rows are unpacked at a time, and none of a file whose rows must be more than
 * `maxBytes`. Loads hyparquet when it is first called.
 * Fails with TableError: `missing`, `io`, `format`, `columns`, `codec`, `tooLong`.
 */
export const bytesOfParquet = (
  file: string,
  columnNames: ColumnNames,
  maxBytes: number
): Effect.Effect<TableBytes, TableError, FileSystem.FileSystem> =>
  Effect.scoped(Effect.gen(function* () {
    const codecs = yield* ParquetCodecs
    const buffer = yield* openBuffer(file)
    const attempt = <A>(make: () => Promise<A>) =>
      Effect.tryPromise({ try: make, catch: (error) => damaged(file, detailOf(error)) })
    const { parquetMetadataAsync, parquetRead, parquetSchema } = yield* Effect.promise(() => import("hyparquet"))
    const metadata = yield* attempt(() => parquetMetadataAsync(buffer))
    const { codecs: used, groups, header } = yield* attempt(() =>
      Promise.resolve(metadata).then((known) => factsOf(known, parquetSchema(known), buffer.byteLength))
    )
    const columns = fromHeader(header, columnNames)
    if (columns === undefined) {
      const message = `${shown(file)}: ${columnsMissing(header, columnNames)}`
      return yield* new TableError({ file, reason: "columns", message })
    }
    const names = namesOf(columns)
    const codec = used.find(({ codec, column }) =>
      names.includes(column) && !ALWAYS.includes(codec) && !Object.hasOwn(codecs, codec)
    )?.codec
    if (codec !== undefined) {
      const message = `expected ${shown(file)} packed with ${[...ALWAYS, ...Object.keys(codecs)].join(", ")}, got ` +
        `${shown(codec)}: write it again with one of them`
      return yield* new TableError({ file, reason: "codec", message })
    }
    const message = `expected at most ${maxBytes} bytes of paths and captions in ${shown(file)}, got more: write ` +
      "them as TSV, which is read by ranges, or raise maxTableBytes"
    const tooLong = new TableError({ file, reason: "tooLong", message })
    const numRows = groups.reduce((sum, count) => sum + count, 0)
    // No value is shorter than a digit, so that many rows are too many before one is read.
    if (numRows * new TextEncoder().encode(lineOf(names, () => 0)).length > maxBytes) return yield* tooLong
    const pieces: Array<Uint8Array> = []
    let total = 0
    for (const [rowStart, rowEnd] of slicesOf(groups)) {
      const rows = yield* attempt(async () => {
        let read: ReadonlyArray<Readonly<Record<string, unknown>>> = []
        await parquetRead({
          file: buffer,
          metadata,
          columns: [...new Set(names)],
          rowFormat: "object",
          rowStart,
          rowEnd,
          compressors: codecs,
          onComplete: (found) => {
            read = found
          }
        })
        return read
      })
      const lines: Array<string> = []
      let length = total
      for (const row of rows) {
        const line = lineOf(names, (name) => jsonOf(row[name]))
        length += line.length
        if (length > maxBytes) return yield* tooLong
        lines.push(line)
      }
      const piece = new TextEncoder().encode(lines.join(""))
      total += piece.length
      if (total > maxBytes) return yield* tooLong
      pieces.push(piece)
    }
    return bytesInMemory(pieces)
  }))
