/**
 * How the text of a table is cut into rows. `quoted` is RFC 4180: a field that begins with a quote runs to the closing
 * one, over line ends too. `lines`: a line is a row, whatever quotes it holds.
 */
export type RowEnds = "quoted" | "lines"

/** A row of text as bytes, without its line end. */
export interface TextRecord {
  readonly bytes: Uint8Array
  /** Byte where it begins in the text. */
  readonly offset: number
  /** Line where it begins, from 1. */
  readonly line: number
}

/** Why the text cannot be cut: at which line, and what is wrong there. */
export interface RecordProblem {
  readonly problem: "quoting" | "tooLong"
  readonly line: number
}

/** Cuts text that comes in chunks; `push` and `end` give the rows that are whole, or a problem. */
export interface RecordCutter {
  readonly push: (chunk: Uint8Array) => ReadonlyArray<TextRecord> | RecordProblem
  readonly end: () => ReadonlyArray<TextRecord> | RecordProblem
}

const QUOTE = 0x22
const LF = 0x0a
const CR = 0x0d
const BOM = [0xef, 0xbb, 0xbf]

type Place = "fieldStart" | "plain" | "quoted" | "closed"

const joined = (head: Uint8Array, tail: Uint8Array): Uint8Array => {
  const out = new Uint8Array(head.length + tail.length)
  out.set(head)
  out.set(tail, head.length)
  return out
}

/**
 * A cutter for text in UTF-8, with or without its mark, and a separator of one byte. Rows end with LF or CRLF; empty
 * lines are no rows. A row longer than `maxRowBytes` is a problem, and so is a quoted field that is still open at the
 * end: it says the line where the field began. A quote opens a field only at its beginning.
 */
export const recordCutter = (
  ends: RowEnds,
  separator: number,
  maxRowBytes: number,
  from: "beginning" | "middle" = "beginning"
): RecordCutter => {
  let held: Uint8Array = new Uint8Array(0)
  let heldAt = 0 // the offset of held[0] in the text
  let [start, at] = [0, 0] // in held: where the row begins, what was looked at
  let [line, rowLine, quoteLine] = [1, 1, 1]
  let place: Place = "fieldStart"
  let isBegun = from === "middle" // only the text's beginning can have a mark

  /** Gives the row that ends here; a copy, so that a row that is kept does not keep its whole chunk. */
  const take = (found: Array<TextRecord>, end: number): void => {
    const last = end > start && held[end - 1] === CR ? end - 1 : end
    if (last > start) found.push({ bytes: held.slice(start, last), offset: heldAt + start, line: rowLine })
    start = end + 1
    rowLine = line
    place = "fieldStart"
  }

  const next = (byte: number | undefined): Place => {
    if (byte === QUOTE && place === "quoted") return "closed"
    if (place === "quoted") return "quoted"
    if (byte === separator) return "fieldStart"
    const opens = byte === QUOTE && ends === "quoted" && (place === "fieldStart" || place === "closed")
    if (opens && place === "fieldStart") quoteLine = line
    return opens ? "quoted" : "plain"
  }

  const scan = (): ReadonlyArray<TextRecord> | RecordProblem => {
    const found: Array<TextRecord> = []
    for (; at < held.length; at++) {
      const byte = held[at]
      if (byte === LF) line++
      if (byte === LF && place !== "quoted") take(found, at)
      else {
        place = next(byte)
        if (at - start < maxRowBytes) continue
        return place === "quoted" ? { problem: "quoting", line: quoteLine } : { problem: "tooLong", line: rowLine }
      }
    }
    held = held.slice(start)
    heldAt += start
    at -= start
    start = 0
    return found
  }

  const begin = (): void => {
    isBegun = true
    if (BOM.every((byte, i) => held[i] === byte)) start = at = BOM.length
  }

  return {
    push: (chunk) => {
      held = held.length === 0 ? chunk : joined(held, chunk)
      if (!isBegun && held.length < BOM.length) return []
      if (!isBegun) begin()
      return scan()
    },
    end: () => {
      if (!isBegun) begin()
      const rest = scan()
      if ("problem" in rest) return rest
      if (place === "quoted") return { problem: "quoting", line: quoteLine }
      const found = [...rest]
      take(found, held.length)
      return found
    }
  }
}
