import type { RowEnds } from "./records.ts"

/** How the fields of a row of text are told apart. */
export interface Dialect {
  readonly separator: string
  readonly ends: RowEnds
  /** `rest`: everything behind the first separator is one field, as in `name,a caption, with commas`. */
  readonly fields: "all" | "rest"
}

/** The fields of a row, or what is wrong with which of them (from 0). */
export type Fields = ReadonlyArray<string> | { readonly problem: string; readonly index: number }

/** The closing quote of a field that opens at `start`, or -1: the first one that is not doubled. */
const closingQuote = (text: string, start: number): number => {
  for (let at = text.indexOf('"', start + 1); at >= 0; at = text.indexOf('"', at + 2)) {
    if (text[at + 1] !== '"') return at
  }
  return -1
}

const unquote = (inner: string): string => inner.replaceAll('""', '"')

/**
 * The fields of one row. A field in quotes is what stands between them, with doubled quotes as one (RFC 4180). Where
 * rows are `lines`, a field whose quotes do not fit that is taken as it stands, so that a lone quote in a caption of a
 * TSV is a quote and swallows nothing; where they are `quoted`, text behind a closing quote is a problem.
 */
export const splitFields = (text: string, { separator, ends, fields }: Dialect): Fields => {
  const found: Array<string> = []
  let at = 0
  for (;;) {
    const isLast = fields === "rest" && found.length === 1
    const close = text[at] === '"' ? closingQuote(text, at) : -1
    const isClean = close >= 0 &&
      (close + 1 === text.length || !isLast && text.startsWith(separator, close + 1))
    if (close >= 0 && !isClean && ends === "quoted") {
      return { problem: "there is text behind its closing quote", index: found.length }
    }
    const next = isLast ? -1 : text.indexOf(separator, at)
    const end = isClean ? close + 1 : next < 0 ? text.length : next
    found.push(isClean ? unquote(text.slice(at + 1, close)) : text.slice(at, end))
    if (end >= text.length) return found
    at = end + separator.length
  }
}
