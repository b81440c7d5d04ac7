import { PICTURE } from "./pictureFile.ts"
import { shown } from "./shown.ts"

/** A column by its name, or by its place from 0. */
export type ColumnName = string | number

/** Which columns hold the path of the picture and its captions, where they have other names than people use. */
export interface ColumnNames {
  readonly image?: ColumnName
  /** One column, or several that each hold a caption of the picture. A list in a column is several captions. */
  readonly captions?: ColumnName | ReadonlyArray<ColumnName>
}

/** A column that was found: where it is, and what to call it in messages. */
export interface Column {
  readonly index: number
  readonly name: string
}

/** The columns of a table. `isHeader`: the row that was looked at is a header and no data. */
export interface Columns {
  readonly image: Column
  readonly captions: ReadonlyArray<Column>
  readonly isHeader: boolean
}

/** Names of the column of paths, best first; letter case does not matter. */
export const imageNames: ReadonlyArray<string> = [
  ...["image_path", "filepath", "file_path", "file_name", "filename", "image", "path", "file", "img"]
]

/** Names of the column of captions, best first. `caption1`, `caption_2`, … are taken together. */
export const captionNames: ReadonlyArray<string> = ["caption", "captions", "title", "text"]

const NUMBERED = /^caption_?\d+$/

const same = (name: string): string => name.trim().toLowerCase()

const byName = (header: ReadonlyArray<string>, wanted: ColumnName): Column | undefined => {
  const index = typeof wanted === "number" ?
    wanted :
    [header.indexOf(wanted), header.findIndex((name) => same(name) === same(wanted))].find((at) => at >= 0) ?? -1
  const name = header[index]
  return name === undefined ? undefined : { index, name: name.trim() }
}

const firstOf = (header: ReadonlyArray<string>, names: ReadonlyArray<string>): Column | undefined => {
  for (const name of names) {
    const column = byName(header, name)
    if (column !== undefined) return column
  }
  return undefined
}

const listOf = (captions: ColumnNames["captions"]): ReadonlyArray<ColumnName> =>
  captions === undefined ? [] : typeof captions === "object" ? captions : [captions]

/** Columns of captions by their names; undefined where one that was asked for, or any of the usual ones, is missing. */
const captionColumns = (
  header: ReadonlyArray<string>,
  captions: ColumnNames["captions"]
): ReadonlyArray<Column> | undefined => {
  const asked = listOf(captions)
  const found = asked.flatMap((name) => byName(header, name) ?? [])
  if (asked.length > 0) return found.length === asked.length ? found : undefined
  const usual = firstOf(header, captionNames)
  if (usual !== undefined) return [usual]
  const numbered = header.flatMap((name, index) => NUMBERED.test(same(name)) ? [{ index, name: name.trim() }] : [])
  return numbered.length > 0 ? numbered : undefined
}

/** Columns by name from a header; by place too, unless the file of a picture stands there already. */
export const fromHeader = (header: ReadonlyArray<string>, names: ColumnNames): Columns | undefined => {
  const image = names.image === undefined ? firstOf(header, imageNames) : byName(header, names.image)
  const captions = captionColumns(header, names.captions)
  if (image === undefined || captions === undefined) return undefined
  if (typeof names.image === "number" && PICTURE.test(image.name)) return undefined
  const others = captions.filter(({ index }) => index !== image.index)
  return others.length === 0 ? undefined : { image, captions: others, isHeader: true }
}

const atPlace = (index: number): Column => ({ index, name: `column ${index + 1}` })

/** Columns by place from a first row of data: the one that looks like the file of a picture, and the one behind it. */
export const fromFirstRow = (row: ReadonlyArray<string>, { image, captions }: ColumnNames): Columns | undefined => {
  const asked = listOf(captions)
  if (typeof image === "string" || asked.some((name) => typeof name === "string")) return undefined
  const index = image ?? row.findIndex((field) => PICTURE.test(field.trim()))
  if (index < 0 || index >= row.length) return undefined
  const places = asked.length > 0 ? asked.filter((place) => typeof place === "number") : [index === 0 ? 1 : index - 1]
  // The caption stands behind the picture, or before it where the picture is last.
  const usual = asked.length > 0 || index + 1 >= row.length ? places : [index + 1]
  if (usual.some((place) => place >= row.length || place === index)) return undefined
  return { image: atPlace(index), captions: usual.map(atPlace), isHeader: false }
}

/** What to say where the columns were not found. */
export const columnsMissing = (row: ReadonlyArray<string>, { image, captions }: ColumnNames): string => {
  const asked = listOf(captions)
  const wanted = image === undefined ? `one of ${imageNames.join(", ")}` : JSON.stringify(image)
  const texts = asked.length === 0 ?
    `one of ${captionNames.join(", ")}` :
    asked.map((c) => JSON.stringify(c)).join(", ")
  const found = row.length === 0 ? "none" : row.slice(0, 12).map(shown).join(", ")
  return `expected a column for pictures (${wanted}) and one for captions (${texts}), got ${found}: rename the cells ` +
    "of the first row, or in a program say columns: { image, captions }, by name or by place from 0"
}
