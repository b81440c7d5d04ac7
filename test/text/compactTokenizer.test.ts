import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { clipTokenizer, compactTokenizer, tableOf } from "../../lib/text/index.ts"

const base = clipTokenizer({ contextLength: 12 })
const captions = ["a red apple", "a black cat.", "two dogs! and a cat"]
const table = tableOf(base, captions)
const compact = compactTokenizer(base, table)

describe("a compact tokenizer", () => {
  it("has a row for padding, each id that occurs, SOT and EOT", () => {
    const ids = new Set(captions.flatMap((text) => base.encode(text)))
    expect(compact.vocabSize).toBe(ids.size + 3)
    expect(Array.from(table.slice(1, -2))).toEqual([...ids].sort((a, b) => a - b))
    expect([table[0], table[compact.sot], table[compact.eot]]).toEqual([0, base.sot, base.eot])
  })

  it("makes rows that are those of its base through the table", () => {
    const rows = compact.tokenize(captions)
    expect(Array.from(rows, (row) => table[row])).toEqual(Array.from(base.tokenize(captions)))
  })

  it("keeps EOT the largest id of a row, so that the argmax finds it", () => {
    const row = compact.tokenize(["a cat"])
    expect(Math.max(...row)).toBe(compact.eot)
    expect(row.indexOf(compact.eot)).toBe(compact.encode("a cat").length + 1)
  })

  it("decodes its rows and those of texts it was made from", () => {
    for (const text of captions) expect(compact.decode(compact.encode(text))).toBe(base.decode(base.encode(text)))
    expect(() => compact.decode([compact.vocabSize])).toThrow(RangeError)
  })

  it("drops ids that its table lacks", () => {
    expect(compact.encode("a purple cat.")).toEqual(compact.encode("a cat."))
    expect(Array.from(compact.tokenize(["zebras"])).slice(0, 3)).toEqual([compact.sot, compact.eot, 0])
  })

  it("keeps the context length and truncation of its base", () => {
    const kept = compactTokenizer(clipTokenizer({ contextLength: 5, truncate: "keepEot" }), table)
    expect(kept.contextLength).toBe(5)
    expect(kept.tokenize(["a a a a a a a"])[4]).toBe(kept.eot)
  })

  it("knows texts with ! and special tokens in them", () => {
    const texts = ["!x ! <|endoftext|> <|startoftext|>"]
    const small = compactTokenizer(base, tableOf(base, texts))
    expect(small.decode(small.encode(texts[0] ?? ""))).toBe(base.decode(base.encode(texts[0] ?? "")))
  })

  it("refuses tables of another shape", () => {
    for (const wrong of [[], [0, base.sot], [0, base.eot, base.sot], [1, base.sot, base.eot]]) {
      expect(() => compactTokenizer(base, wrong)).toThrow("make one with tableOf")
    }
    expect(() => compactTokenizer(base, [0, 5, 5, base.sot, base.eot])).toThrow("each id once")
    expect(() => compactTokenizer(base, [0, 60000, base.sot, base.eot])).toThrow("found 60000")
  })

  it("is made from any texts, and knows each of them wholly", () => {
    fc.assert(fc.property(fc.array(fc.string({ unit: "grapheme", maxLength: 30 }), { maxLength: 5 }), (texts) => {
      const own = compactTokenizer(base, tableOf(base, texts))
      for (const text of texts) expect(own.encode(text).length).toBe(base.encode(text).length)
    }))
  })
})
