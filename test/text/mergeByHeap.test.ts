import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { mergeByPasses, mergedId, mergeWord } from "../../lib/text/bpe.ts"
import { mergeByHeap } from "../../lib/text/mergeByHeap.ts"

/** Ids of the letters a-z inside a word; the last one ends it. */
const symbolsOf = (word: string): Array<number> =>
  Array.from(word, (char, index) => char.charCodeAt(0) - 33 + (index === word.length - 1 ? 256 : 0))

describe("merging by heap", () => {
  it("gives what merging by passes gives, for any letters", () => {
    const letters = fc.oneof(
      fc.stringMatching(/^[a-z]{0,90}$/),
      fc.stringMatching(/^[aeiht]{0,90}$/),
      fc.stringMatching(/^(a|ha|ing|the|ann){0,30}$/)
    )
    fc.assert(
      fc.property(letters, (word) => {
        const symbols = symbolsOf(word)
        expect(mergeByHeap(symbols, mergedId)).toEqual([...mergeByPasses(symbols, mergedId)])
      }),
      { numRuns: 1000 }
    )
  })

  it("takes the left of two overlapping pairs", () => {
    const merged = (left: number, right: number) => left === 1 && right === 1 ? 2 : undefined
    expect(mergeByHeap([1, 1, 1], merged)).toEqual([2, 1])
    expect(mergeByHeap([1, 1, 1, 1, 1], merged)).toEqual([2, 2, 1])
  })

  it("keeps a hostile word of 200,000 letters within a few seconds", () => {
    const word = Array.from(
      { length: 200_000 },
      (_, index) => String.fromCharCode(97 + (index * index * 7 + index) % 26)
    )
    const start = performance.now()
    const ids = mergeWord(word.join(""))
    expect(ids.length).toBeGreaterThan(20_000)
    expect(performance.now() - start).toBeLessThan(5_000)
  })
})
