import { Effect, Stream } from "effect"
import type { FileSystem } from "effect"
import type { ColumnNames } from "./columns.ts"
import { TableError } from "./errors.ts"
import type { RecordCutter, RecordProblem, TextRecord } from "./records.ts"
import { recordCutter } from "./records.ts"
import type { Layout, Row, RowFormat, RowProblem, RowReader } from "./rows.ts"
import { layoutOf } from "./rows.ts"
import { shown } from "./shown.ts"
import type { TableBytes } from "./tableBytes.ts"

/** What becomes of rows that stand together and name the same picture: samples of their own, or one of many captions. */
export type SamePicture = "separate" | "join"

/** How a table is cut into rows and samples. */
export interface TableLayout {
  readonly format: RowFormat
  readonly columns: ColumnNames
  readonly samePicture: SamePicture
  readonly maxRowBytes: number
}

/** A run of rows: where its text lies, and what it must still be when it is read again. */
export interface Block {
  readonly offset: number
  readonly length: number
  readonly line: number
  /** Number of its first row, from 1; the header is none. */
  readonly firstRow: number
  readonly numSamples: number
  readonly hash: number
}

/** What one pass over a table found out. */
export interface TableIndex {
  readonly readRow: RowReader
  readonly blocks: ReadonlyArray<Block>
  readonly numSamples: number
}

/** A row where it stands. */
export interface PlacedRow {
  readonly row: Row | RowProblem
  /** From 1, the header not counted. */
  readonly number: number
  readonly line: number
}

/** Samples of a block: what is shuffled as one, and the most rows that are read for one. */
const BLOCK_SAMPLES = 256

/** FNV-1a over bytes, continued from `hash`. */
export const fnv1a = (hash: number, bytes: Uint8Array): number => {
  let h = hash
  for (const byte of bytes) h = Math.imul(h ^ byte, 0x01000193)
  return h >>> 0
}

const FNV_BASIS = 0x811c9dc5

const cutterOf = ({ format, maxRowBytes }: TableLayout, from: "beginning" | "middle"): RecordCutter =>
  format.kind === "json" ?
    recordCutter("lines", 0, maxRowBytes, from) :
    recordCutter(format.dialect.ends, format.dialect.separator.charCodeAt(0), maxRowBytes, from)

const problemError = (file: string, { problem, line }: RecordProblem, maxRowBytes: number): TableError => {
  const at = `line ${line} of ${shown(file)}`
  const message = problem === "quoting" ?
    `${at}: expected a closing quote for the field that begins there, found none: close it, or in a program read the ` +
    'table with quotes: "literal"' :
    `${at}: expected rows of at most ${maxRowBytes} bytes, found a longer one: is it a table of text?`
  return new TableError({ file, reason: problem, line, message })
}

const changed = (file: string): TableError =>
  new TableError({
    file,
    reason: "changed",
    message: `expected ${shown(file)} as it was when it was opened, got other rows: leave it alone while it is in use`
  })

/** Collects blocks from rows in order. */
const collector = (samePicture: SamePicture, readRow: RowReader) => {
  const blocks: Array<Block> = []
  let open: { offset: number; line: number; firstRow: number; numSamples: number; hash: number } | undefined
  let numRows = 0
  let picture: string | undefined
  const close = (end: number): void => {
    if (open !== undefined) blocks.push({ ...open, length: end - open.offset })
    open = undefined
  }
  return {
    add: ({ bytes, line, offset }: TextRecord): void => {
      numRows++
      let begins = true
      if (samePicture === "join") {
        const row = readRow(bytes)
        const image = "image" in row ? row.image : undefined
        begins = image === undefined || image !== picture
        picture = image
      }
      if (begins && open?.numSamples === BLOCK_SAMPLES) close(offset)
      open ??= { offset, line, firstRow: numRows, numSamples: 0, hash: FNV_BASIS }
      if (begins) open.numSamples++
      open.hash = fnv1a(open.hash, bytes)
    },
    close,
    blocks
  }
}

const noLayout = (file: string, detail: string): TableError =>
  new TableError({ file, reason: "columns", line: 1, message: `${shown(file)}: ${detail}` })

/**
 * One pass over a table: its columns, the number of its samples, and for each run of 256 of them where it lies and a
 * hash of its text. That is all that is kept: about a hundred bytes per block. Fails with TableError.
 */
export const indexTable = (
  file: string,
  bytes: TableBytes,
  table: TableLayout
): Effect.Effect<TableIndex, TableError, FileSystem.FileSystem> =>
  Effect.suspend(() => {
    const cutter = cutterOf(table, "beginning")
    let total = 0
    let layout: Layout | undefined
    let rows: ReturnType<typeof collector> | undefined

    const take = (records: ReadonlyArray<TextRecord> | RecordProblem): Effect.Effect<void, TableError> => {
      if ("problem" in records) return Effect.fail(problemError(file, records, table.maxRowBytes))
      for (const record of records) {
        if (layout === undefined || rows === undefined) {
          const found = layoutOf(table.format, record.bytes, table.columns)
          if (typeof found === "string") return Effect.fail(noLayout(file, found))
          layout = found
          rows = collector(table.samePicture, found.readRow)
          if (found.isHeader) continue
        }
        rows.add(record)
      }
      return Effect.void
    }

    return Effect.gen(function* () {
      yield* Stream.runForEach(bytes.chunks, (chunk) => {
        total += chunk.length
        return Effect.suspend(() => take(cutter.push(chunk)))
      })
      yield* Effect.suspend(() => take(cutter.end()))
      rows?.close(total)
      const blocks = rows?.blocks ?? []
      if (layout !== undefined && blocks.length > 0) {
        const numSamples = blocks.reduce((sum, block) => sum + block.numSamples, 0)
        return { readRow: layout.readRow, blocks, numSamples }
      }
      const message = `expected rows in ${shown(file)}, got ${layout === undefined ? "an empty file" : "a header only"}`
      return yield* new TableError({ file, reason: "empty", message: `${message}: name another table` })
    })
  })

/** The rows of a block, one list for each sample. Fails with TableError, also where the text is not what it was. */
export const readBlock = (
  file: string,
  bytes: TableBytes,
  table: TableLayout,
  readRow: RowReader,
  block: Block
): Effect.Effect<ReadonlyArray<ReadonlyArray<PlacedRow>>, TableError, FileSystem.FileSystem> =>
  Effect.flatMap(bytes.range(block.offset, block.length), (text) => {
    const cutter = cutterOf(table, "middle")
    const parts = [cutter.push(text), cutter.end()]
    const samples: Array<Array<PlacedRow>> = []
    let hash = FNV_BASIS
    let number = block.firstRow
    let picture: string | undefined
    for (const records of parts) {
      if ("problem" in records) return Effect.fail(changed(file))
      for (const record of records) {
        hash = fnv1a(hash, record.bytes)
        const row = readRow(record.bytes)
        const placed = { row, number: number++, line: block.line + record.line - 1 }
        const image = "image" in row ? row.image : undefined
        const last = samples.at(-1)
        if (table.samePicture === "join" && last !== undefined && image !== undefined && image === picture) {
          last.push(placed)
        } else samples.push([placed])
        picture = image
      }
    }
    return hash === block.hash && samples.length === block.numSamples ?
      Effect.succeed(samples) :
      Effect.fail(changed(file))
  })
