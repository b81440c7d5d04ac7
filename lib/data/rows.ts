import type { ColumnNames, Columns } from "./columns.ts"
import { columnsMissing, fromFirstRow, fromHeader } from "./columns.ts"
import type { SampleErrorReason } from "./errors.ts"
import type { Dialect } from "./fields.ts"
import { splitFields } from "./fields.ts"
import { shown } from "./shown.ts"

/** A row of a table: the picture's path as written, and its captions. */
export interface Row {
  readonly image: string
  readonly captions: ReadonlyArray<string>
}

/** What is wrong with a row, and in which column. */
export interface RowProblem {
  readonly reason: SampleErrorReason
  readonly column?: string
  /** Expected …, got …. */
  readonly detail: string
}

/** Makes a row of a record's bytes. */
export type RowReader = (bytes: Uint8Array) => Row | RowProblem

/** What a table's first record says about the others: how to read them, and whether it is one of them. */
export interface Layout {
  readonly readRow: RowReader
  readonly isHeader: boolean
}

/** How the rows of a table are written down. */
export type RowFormat = { readonly kind: "fields"; readonly dialect: Dialect } | { readonly kind: "json" }

const textOf = (bytes: Uint8Array): string | RowProblem => {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    return { reason: "badRow", detail: "expected UTF-8 text, got other bytes" }
  }
}

const isList = (value: unknown): value is ReadonlyArray<unknown> => Array.isArray(value)

/** A list of texts written as JSON in one field, as `["a","b"]`; anything else is one caption as it stands. */
const listedIn = (text: string): ReadonlyArray<string> => {
  if (!text.startsWith("[")) return [text]
  try {
    const value: unknown = JSON.parse(text)
    return isList(value) && value.length > 0 && value.every((item) => typeof item === "string") ? value : [text]
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return [text]
  }
}

const rowOf = (image: string, captions: ReadonlyArray<string>, columns: Columns): Row | RowProblem => {
  if (image.trim() === "") {
    return { reason: "missingImage", column: columns.image.name, detail: "expected the path of a picture, got nothing" }
  }
  const kept = captions.filter((caption) => caption.trim() !== "")
  if (kept.length > 0) return { image, captions: kept }
  const names = columns.captions.map(({ name }) => name).join(", ")
  return { reason: "missingCaption", column: names, detail: "expected a caption, got nothing but blanks" }
}

const readerOfFields = (dialect: Dialect, columns: Columns, width: number): RowReader => (bytes) => {
  const text = textOf(bytes)
  if (typeof text !== "string") return text
  const fields = splitFields(text, dialect)
  if ("problem" in fields) {
    return { reason: "badRow", column: `column ${fields.index + 1}`, detail: `expected RFC 4180, ${fields.problem}` }
  }
  if (fields.length !== width) {
    return { reason: "badRow", detail: `expected ${width} fields as in the first row, got ${fields.length}` }
  }
  const captions = columns.captions.map(({ index }) => fields[index] ?? "")
  const isListed = columns.captions.length === 1 && columns.captions[0]?.name.toLowerCase() === "captions"
  return rowOf(fields[columns.image.index] ?? "", isListed ? captions.flatMap(listedIn) : captions, columns)
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

type Parsed = { readonly object: Readonly<Record<string, unknown>> } | { readonly problem: RowProblem }

const objectOf = (bytes: Uint8Array): Parsed => {
  const text = textOf(bytes)
  if (typeof text !== "string") return { problem: text }
  try {
    const value: unknown = JSON.parse(text)
    if (isRecord(value)) return { object: value }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  return { problem: { reason: "badRow", detail: `expected a JSON object on the line, got ${shown(text)}` } }
}

/** What a value is, for messages. */
const kindOf = (value: unknown): string =>
  value === undefined ? "no such field" : value === null ? "null" : isList(value) ? "a list" : `a ${typeof value}`

const readerOfJson = (columns: Columns): RowReader => (bytes) => {
  const parsed = objectOf(bytes)
  if ("problem" in parsed) return parsed.problem
  const { object } = parsed
  const field = (name: string): unknown => Object.hasOwn(object, name) ? object[name] : undefined
  const image = field(columns.image.name)
  if (typeof image !== "string") {
    const detail = `expected the path of a picture as text, got ${kindOf(image)}`
    return { reason: "badRow", column: columns.image.name, detail }
  }
  const captions: Array<string> = []
  for (const { name } of columns.captions) {
    const value = field(name)
    const list = isList(value) ? value : [value]
    const texts = list.filter((item) => typeof item === "string")
    if (texts.length < list.length) {
      const detail = `expected a text or a list of texts, got ${kindOf(isList(value) ? list[0] : value)}`
      return { reason: "badRow", column: name, detail: isList(value) ? `${detail} in the list` : detail }
    }
    captions.push(...texts)
  }
  return rowOf(image, captions, columns)
}

/** What the first record says: the layout, or why it says nothing. */
export const layoutOf = (format: RowFormat, first: Uint8Array, names: ColumnNames): Layout | string => {
  if (format.kind === "json") {
    const parsed = objectOf(first)
    if ("problem" in parsed) return parsed.problem.detail
    const keys = Object.keys(parsed.object)
    const columns = fromHeader(keys, names)
    return columns === undefined ? columnsMissing(keys, names) : { readRow: readerOfJson(columns), isHeader: false }
  }
  const text = textOf(first)
  if (typeof text !== "string") return text.detail
  const fields = splitFields(text, format.dialect)
  if ("problem" in fields) return `expected RFC 4180 in column ${fields.index + 1}: ${fields.problem}`
  const columns = fromHeader(fields, names) ?? fromFirstRow(fields, names)
  if (columns === undefined) return columnsMissing(fields, names)
  return { readRow: readerOfFields(format.dialect, columns, fields.length), isHeader: columns.isHeader }
}
