import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { splitFields } from "../../lib/data/fields.ts"
import { recordCutter } from "../../lib/data/records.ts"
import type { RowEnds, TextRecord } from "../../lib/data/records.ts"

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/** The rows of a text that comes in chunks of a size, or the problem. */
const rowsOf = (text: string, ends: RowEnds, size = 1_000_000, cap = 10_000) => {
  const bytes = encode(text)
  const cutter = recordCutter(ends, ",".charCodeAt(0), cap)
  const found: Array<TextRecord> = []
  for (let at = 0; at < bytes.length; at += size) {
    const records = cutter.push(bytes.slice(at, at + size))
    if ("problem" in records) return records
    found.push(...records)
  }
  const rest = cutter.end()
  return "problem" in rest ? rest : [...found, ...rest]
}

const textsOf = (text: string, ends: RowEnds, size?: number): ReadonlyArray<string> => {
  const rows = rowsOf(text, ends, size)
  if ("problem" in rows) throw new Error(rows.problem)
  return rows.map(({ bytes }) => decode(bytes))
}

const csv = { separator: ",", ends: "quoted", fields: "all" } as const
const tsv = { separator: "\t", ends: "lines", fields: "all" } as const

describe("rows of text", () => {
  it("end with LF or CRLF, the last one with nothing, and empty lines are none", () => {
    expect(textsOf("a,b\r\n\n\r\nc,d\ne,f", "quoted")).toEqual(["a,b", "c,d", "e,f"])
  })

  it("begin after the mark of UTF-8, so that a quote there opens a field", () => {
    expect(textsOf('\uFEFF"a\nb",c\n', "quoted")).toEqual(['"a\nb",c'])
    expect(textsOf("\uFEFF", "quoted")).toEqual([])
  })

  it("quoted fields run over line ends, quotes inside a plain field open nothing", () => {
    expect(textsOf('"a\n""b""",c\nx""y,z"\nw\n', "quoted")).toEqual(['"a\n""b""",c', 'x""y,z"', "w"])
  })

  it("as lines swallow nothing, whatever quotes they hold", () => {
    expect(textsOf('a,"lone\nb,c\n', "lines")).toEqual(['a,"lone', "b,c"])
  })

  it("with a quote that is never closed say the line where it opened", () => {
    expect(rowsOf('a,b\nc,"d\ne,f\n', "quoted")).toEqual({ problem: "quoting", line: 2 })
    expect(rowsOf(`a,b\n\n"${"x".repeat(200)}`, "quoted", 7, 100)).toEqual({ problem: "quoting", line: 3 })
    expect(rowsOf(`a\n${"x".repeat(200)}`, "lines", 7, 100)).toEqual({ problem: "tooLong", line: 2 })
  })

  it("know their lines and offsets", () => {
    const rows = rowsOf('\uFEFFa\n"b\nc",d\ne', "quoted")
    expect("problem" in rows ? rows : rows.map(({ line, offset }) => [line, offset])).toEqual([[1, 3], [2, 5], [4, 13]])
  })

  it("are the same in chunks of any size", () => {
    const piece = fc.constantFrom('"', ",", "\n", "\r\n", "a", "\uFEFF", "é", '""')
    fc.assert(fc.property(fc.array(piece, { maxLength: 30 }), fc.integer({ min: 1, max: 7 }), (parts, size) => {
      const text = parts.join("")
      for (const ends of ["quoted", "lines"] as const) expect(rowsOf(text, ends, size)).toEqual(rowsOf(text, ends))
    }))
  })
})

describe("fields of a row", () => {
  it("come back as they were written by RFC 4180", () => {
    const field = fc.string({ unit: fc.constantFrom('"', ",", "\n", "\r", "a", " ", "é") })
    const rows = fc.array(fc.array(field, { minLength: 2, maxLength: 4 }), { minLength: 1, maxLength: 5 })
    fc.assert(fc.property(rows, (written) => {
      const text = written.map((row) => row.map((f) => `"${f.replaceAll('"', '""')}"`).join(",")).join("\r\n")
      expect(textsOf(text, "quoted").map((row) => splitFields(row, csv))).toEqual(written)
    }))
  })

  it("with text behind a closing quote are a problem of that column", () => {
    expect(splitFields('a,"b"c,d', csv)).toEqual({ problem: "there is text behind its closing quote", index: 1 })
  })

  it("of a TSV are unquoted only where the quotes are whole", () => {
    expect(splitFields('a\t"b ""c"""', tsv)).toEqual(["a", 'b "c"'])
    expect(splitFields('a\t"b\tc"', tsv)).toEqual(["a", "b\tc"])
    expect(splitFields('a\t"quoted" he said', tsv)).toEqual(["a", '"quoted" he said'])
    expect(splitFields('a\t"lone', tsv)).toEqual(["a", '"lone'])
    expect(splitFields("a\t\t", tsv)).toEqual(["a", "", ""])
  })

  it("of a name and the rest of the line are two, with the commas that are there", () => {
    const rest = { separator: ",", ends: "lines", fields: "rest" } as const
    expect(splitFields("a.jpg,one, two", rest)).toEqual(["a.jpg", "one, two"])
    expect(splitFields('a.jpg,"one, two"', rest)).toEqual(["a.jpg", "one, two"])
    expect(splitFields('a.jpg,"one", he said, twice', rest)).toEqual(["a.jpg", '"one", he said, twice'])
  })
})
