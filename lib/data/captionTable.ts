import { Effect, Path, Stream } from "effect"
import type { FileSystem } from "effect"
import type { ImageText } from "../api/sample.ts"
import type { DecodeOptions } from "./badSamples.ts"
import { sampleWindows } from "./badSamples.ts"
import type { ColumnNames } from "./columns.ts"
import type { SampleError } from "./errors.ts"
import { TableError } from "./errors.ts"
import { bytesOfParquet } from "./parquet.ts"
import type { PictureServices } from "./pictureFile.ts"
import { readPicture, sampleError } from "./pictureFile.ts"
import type { RowFormat } from "./rows.ts"
import type { SampleLimits } from "./samples.ts"
import { defaultSampleLimits } from "./samples.ts"
import { shown } from "./shown.ts"
import type { Slot, StoredDataset } from "./source.ts"
import { windowsOf } from "./source.ts"
import type { TableBytes } from "./tableBytes.ts"
import { bytesOfFile, bytesOfGzip } from "./tableBytes.ts"
import type { Block, PlacedRow, SamePicture, TableLayout } from "./tableIndex.ts"
import { indexTable, readBlock } from "./tableIndex.ts"

/** Settings of a table of pairs; every one has a default. */
export interface CaptionTableOptions extends DecodeOptions {
  /** Default: the file as it was named. */
  readonly name?: string
  /** Where relative paths of pictures begin. Default: the folder that the table is in. */
  readonly imageRoot?: string
  /** Default: the names that people use, in the header; without a header the field that looks like a picture's file. */
  readonly columns?: ColumnNames
  /** One character. Default: a comma for `.csv`, a tab for the others. */
  readonly separator?: string
  /**
   * `rfc4180`: fields in quotes may hold separators and line ends. `literal`: a line is a row, and only a field whose
   * quotes are whole is unquoted. Default: `rfc4180` for `.csv`, `literal` for the others.
   */
  readonly quotes?: "rfc4180" | "literal"
  /** What rows one after the other with the same picture are. Default `separate`: each row is a sample. */
  readonly samePicture?: SamePicture
  readonly limits?: SampleLimits
  /** The longest row. Default 1 MiB. */
  readonly maxRowBytes?: number
  /** How much text is held of a table that cannot be read by ranges (gzip, Parquet). Default 4 GiB. */
  readonly maxTableBytes?: number
}

/** A table of pairs, with the number of its samples. */
export type CaptionTable =
  & StoredDataset<ImageText, TableError, SampleError, PictureServices>
  & { readonly numSamples: number }

/** Endings of tables. */
export const TABLE: RegExp = /\.(csv|tsv|jsonl|ndjson)(\.gz)?$|\.parquet$/i

const formatOf = (file: string, { quotes, separator }: CaptionTableOptions): RowFormat => {
  if (/\.(jsonl|ndjson)(\.gz)?$|\.parquet$/i.test(file)) return { kind: "json" }
  const isCsv = /\.csv(\.gz)?$/i.test(file)
  const ends = (quotes ?? (isCsv ? "rfc4180" : "literal")) === "rfc4180" ? "quoted" : "lines"
  return { kind: "fields", dialect: { separator: separator ?? (isCsv ? "," : "\t"), ends, fields: "all" } }
}

const checkSeparator = (format: RowFormat): void => {
  if (format.kind === "json" || /^[\0-\x7f]$/.test(format.dialect.separator)) return
  throw new RangeError(`expected a separator of one ASCII character, got ${shown(format.dialect.separator)}`)
}

const open = (
  file: string,
  { columns = {}, maxTableBytes = 4_294_967_296 }: CaptionTableOptions
): Effect.Effect<TableBytes, TableError, FileSystem.FileSystem> => {
  if (/\.parquet$/i.test(file)) return bytesOfParquet(file, columns, maxTableBytes)
  return /\.gz$/i.test(file) ? bytesOfGzip(file, maxTableBytes) : Effect.succeed(bytesOfFile(file))
}

const isUrl = (path: string): boolean => /^[a-z][a-z0-9+.-]+:\/\//i.test(path)

/** The sample of rows with one picture. */
const slotOf = (
  file: string,
  rows: ReadonlyArray<PlacedRow>,
  resolve: (image: string) => string,
  limits: SampleLimits
): Slot<ImageText, SampleError, PictureServices> => {
  const [first] = rows
  const key = first !== undefined && "image" in first.row ? first.row.image : `row ${first?.number ?? 0}`
  const placeOf = ({ line, number }: Pick<PlacedRow, "line" | "number">) => ({
    shard: file,
    key,
    row: number,
    place: /\.parquet$/i.test(file) ?
      `row ${number} of ${shown(file)}` :
      `row ${number} (line ${line}) of ${shown(file)}`
  })
  const decode = Effect.suspend(() => {
    const captions: Array<string> = []
    let image = ""
    for (const placed of rows) {
      if (!("image" in placed.row)) {
        const { column, detail, reason } = placed.row
        const at = column === undefined ? "" : `, column ${shown(column)}`
        const message = `${detail}${at}: correct the row, or leave it out`
        return Effect.fail(
          sampleError(placeOf(placed), { reason, ...(column === undefined ? {} : { column }), message })
        )
      }
      image = placed.row.image
      captions.push(...placed.row.captions)
    }
    const where = placeOf(first ?? { line: 0, number: 0 })
    if (isUrl(image)) {
      const message = `expected the path of a file, got the address ${shown(image)}: fetch the pictures first ` +
        "(img2dataset), or name a table of files"
      return Effect.fail(sampleError(where, { reason: "missingImage", member: image, message }))
    }
    return Effect.map(readPicture(where, resolve(image), limits), (picture) => ({ key, image: picture, captions }))
  })
  return { key, decode }
}

/** A table whose rows are written in a given way, whatever its name ends with. */
export const openTable = (
  file: string,
  format: RowFormat,
  options: CaptionTableOptions
): Effect.Effect<CaptionTable, TableError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    checkSeparator(format)
    const path = yield* Path.Path
    const { limits = defaultSampleLimits, name = file } = options
    const root = options.imageRoot ?? path.dirname(file)
    const table: TableLayout = {
      format,
      columns: options.columns ?? {},
      samePicture: options.samePicture ?? "separate",
      maxRowBytes: options.maxRowBytes ?? 1_048_576
    }
    const bytes = yield* open(file, options)
    const { blocks, numSamples, readRow } = yield* indexTable(file, bytes, table)
    const nameOf = ({ firstRow, hash }: Block): string => `${file}#${firstRow}-${hash.toString(16)}`
    const byName = new Map(blocks.map((block) => [nameOf(block), block]))
    const shards = blocks.map((block) => ({ path: nameOf(block), numSamples: block.numSamples }))
    const resolve = (image: string): string => path.isAbsolute(image) ? image : path.join(root, image)
    const dataset = windowsOf<ImageText, TableError, SampleError, PictureServices>(
      {
        name,
        shards: Effect.succeed(shards),
        read: (shard) => {
          const block = byName.get(shard.path)
          if (block === undefined) return Stream.empty
          return Stream.fromIterableEffect(
            Effect.map(
              readBlock(file, bytes, table, readRow, block),
              (samples) => samples.map((rows) => slotOf(file, rows, resolve, limits))
            )
          )
        }
      },
      sampleWindows(options),
      numSamples
    )
    return { ...dataset, numSamples }
  })

/**
 * Pictures with captions from a table of paths: CSV, TSV and JSONL (each also `.gz`) and Parquet, by the file's ending.
 * The text is read once to count its samples and to remember where each run of 256 rows begins; later only those runs
 * are read, so that a table of millions of rows takes megabytes. Gzip and Parquet cannot be read so: their text (of
 * Parquet the two columns) is held in memory, once. Runs of rows are shuffled as shards are, and the hash of each is part
 * of the fingerprint, so that a changed table is noticed; changed pictures are not.
 *
 * Fails with TableError, and for a row or a picture that cannot be used with SampleError (file, row, column) unless the
 * policy skips it. Throws RangeError (a defect) for a separator that is not one ASCII character. Source: REFERENCE 4.6 (SynthCLIP's tab-separated image_path, caption), RFC 4180.
 *
 * @example
 * ```ts
 * import { captionTable } from "diffclip"
 * import { files } from "diffclip/node"
 * import { Console, Effect } from "effect"
 *
 * const pairs = captionTable("photos/captions.csv", { columns: { image: "file", captions: ["short", "long"] } })
 * await Effect.runPromise(pairs.pipe(Effect.flatMap(({ numSamples }) => Console.log(numSamples)), Effect.provide(files)))
 * ```
 */
export const captionTable = (
  file: string,
  options: CaptionTableOptions = {}
): Effect.Effect<CaptionTable, TableError, FileSystem.FileSystem | Path.Path> => {
  if (TABLE.test(file)) return openTable(file, formatOf(file, options), options)
  const message =
    `expected a table that ends in .csv, .tsv, .jsonl (or these with .gz) or .parquet, got ${shown(file)}: ` +
    "rename it, or write it as one of them"
  return Effect.fail(new TableError({ file, reason: "format", message }))
}
