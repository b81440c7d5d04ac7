import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { clipTokenizer, fixText } from "../../lib/text/index.ts"
import golden from "../goldens/tokenizer.json" with { type: "json" }

interface Item {
  readonly text: string
  readonly n_tokens: number
  readonly truncated: boolean
  readonly ids: ReadonlyArray<number>
  readonly argmax: number
  readonly changed_by_ftfy: boolean
  readonly ftfy_text?: string
  readonly decoded?: string
}

const items: ReadonlyArray<Item> = golden.items
const tokenizer = clipTokenizer()
const { eot, sot } = tokenizer

const padded = (ids: ReadonlyArray<number>, length: number): Array<number> =>
  Array.from({ length }, (_, index) => ids[index] ?? 0)

const argmax = (row: ArrayLike<number>): number => {
  let best = 0
  for (let index = 1; index < row.length; index++) if ((row[index] ?? 0) > (row[best] ?? 0)) best = index
  return best
}

describe("the golden tokenizer cases", () => {
  it("are 200 and name the sizes of this tokenizer", () => {
    expect(items.length).toBe(200)
    const { context_length, eot, sot, vocab_size } = golden.meta
    expect([tokenizer.contextLength, tokenizer.eot, tokenizer.sot, tokenizer.vocabSize])
      .toEqual([context_length, eot, sot, vocab_size])
  })

  it.each(items.map((item, index) => [index, item] as const))("text %i gives the ids of the reference", (_, item) => {
    const row = tokenizer.tokenize([item.text])
    expect(Array.from(row)).toEqual(padded(item.ids, 77))
    expect(argmax(row)).toBe(item.argmax)
    expect(tokenizer.encode(item.text).length + 2).toBe(item.n_tokens)
  })

  it("are repaired as ftfy repairs them, and unchanged where ftfy changes nothing", () => {
    for (const item of items) {
      expect(fixText(item.text)).toBe(item.changed_by_ftfy ? item.ftfy_text : item.text)
    }
  })

  it("decode to the text of the reference", () => {
    for (const item of items) {
      if (item.decoded !== undefined) expect(tokenizer.decode(tokenizer.encode(item.text))).toBe(item.decoded)
    }
  })

  it("make one row each in a batch of all of them", () => {
    expect(Array.from(tokenizer.tokenize(items.map((item) => item.text))))
      .toEqual(items.flatMap((item) => padded(item.ids, 77)))
  })

  it("are cut at other context lengths as the reference cuts them", () => {
    for (const [length, rows] of Object.entries(golden.meta.other_context_lengths)) {
      const short = clipTokenizer({ contextLength: Number(length) })
      for (const [index, ids] of Object.entries(rows)) {
        expect(Array.from(short.tokenize([items[Number(index)]?.text ?? ""]))).toEqual(ids)
      }
    }
  })
})

describe("rows", () => {
  const caption = fc.oneof(fc.string({ unit: "grapheme", maxLength: 400 }), fc.lorem({ maxCount: 120 }))

  it("are [n, contextLength], start with SOT and hold ids of the vocabulary", () => {
    fc.assert(fc.property(fc.array(caption, { maxLength: 4 }), fc.integer({ min: 2, max: 90 }), (texts, length) => {
      const rows = clipTokenizer({ contextLength: length }).tokenize(texts)
      expect(rows.length).toBe(texts.length * length)
      expect(rows.every((id) => id >= 0 && id < tokenizer.vocabSize)).toBe(true)
      texts.forEach((_, index) => expect(rows[index * length]).toBe(sot))
    }))
  })

  it("always hold EOT, at their argmax, with keepEot", () => {
    fc.assert(fc.property(caption, fc.integer({ min: 2, max: 20 }), (text, length) => {
      const row = clipTokenizer({ contextLength: length, truncate: "keepEot" }).tokenize([text])
      expect(row[argmax(row)]).toBe(eot)
    }))
  })

  it("of different captions that are too long pool at SOT as published, at the last position with keepEot", () => {
    const long = ["cat ".repeat(76), "dog ".repeat(90)]
    const published = tokenizer.tokenize(long)
    expect([argmax(published.subarray(0, 77)), argmax(published.subarray(77))]).toEqual([0, 0])
    const kept = clipTokenizer({ truncate: "keepEot" }).tokenize(long)
    expect([argmax(kept.subarray(0, 77)), argmax(kept.subarray(77))]).toEqual([76, 76])
  })

  it("of exactly contextLength - 2 ids keep EOT either way", () => {
    const text = "cat ".repeat(75)
    expect(tokenizer.tokenize([text])[76]).toBe(eot)
    expect(clipTokenizer({ truncate: "keepEot" }).tokenize([text])).toEqual(tokenizer.tokenize([text]))
  })

  it("of no texts are empty, and a context length below 2 is refused", () => {
    expect(tokenizer.tokenize([]).length).toBe(0)
    for (const contextLength of [1, 0, -3, 7.5, NaN]) expect(() => clipTokenizer({ contextLength })).toThrow(RangeError)
  })
})

describe("encode and decode", () => {
  it("return plain lower-case words, each followed by a space", () => {
    const word = fc.stringMatching(/^[a-z]{1,20}$/)
    fc.assert(fc.property(fc.array(word, { minLength: 1, maxLength: 12 }), (words) => {
      expect(tokenizer.decode(tokenizer.encode(words.join(" ")))).toBe(words.map((each) => `${each} `).join(""))
    }))
  })

  it("give the same ids for a word asked for before", () => {
    expect(tokenizer.encode("zebra crossing zebra")).toEqual(tokenizer.encode("zebra crossing zebra"))
  })

  it("merge every occurrence of a pair from left to right", () => {
    const texts = ["aaa", "aaaa", "aaaaaaa"]
    expect(texts.map((text) => tokenizer.decode(tokenizer.encode(text)))).toEqual(texts.map((text) => `${text} `))
  })

  it("take each digit alone and contractions with the straight apostrophe", () => {
    expect(tokenizer.encode("Hello, World! 2024")).toEqual([3306, 267, 1002, 256, 273, 271, 273, 275])
    expect(tokenizer.encode("it’s the dog's ball")).toEqual([585, 568, 518, 1929, 568, 1069])
  })

  it("treat ASCII alike on the short path and on the general one", () => {
    fc.assert(fc.property(fc.string({ unit: "binary-ascii", maxLength: 60 }), (text) => {
      // A Greek word sends the whole caption along the general path.
      const ids = tokenizer.encode(`${text} λ`)
      expect(ids.slice(0, ids.length - tokenizer.encode("λ").length)).toEqual(tokenizer.encode(text))
    }))
  })

  it("leave out U+0345, which the reference's pattern matches nowhere", () => {
    expect(tokenizer.encode("a\u0345b 1")).toEqual([...tokenizer.encode("a b 1")])
  })

  it("refuse ids outside the vocabulary", () => {
    expect(() => tokenizer.decode([49408])).toThrow("0 to 49407, found 49408")
  })
})
