import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { recallAtK, retrievalChance, retrievalMetrics, retrievalRanks } from "../../lib/eval/index.ts"
import { fold, permutation, ShapeError, uniform } from "../../lib/tensor/index.ts"
import { matrix, randomMatrix, reorder, testKey } from "./fakes.ts"

const pairs = (seed: number, numImages: number, perImage: number) => ({
  images: randomMatrix(testKey("images", seed), numImages, 4),
  texts: randomMatrix(testKey("texts", seed), numImages * perImage, 4),
  imageOfText: Array.from({ length: numImages * perImage }, (_, t) => Math.floor(t / perImage))
})
const ks = [1, 2, 5, 10, 1000]

describe("recall", () => {
  it("text retrieval asks whether any of a picture's texts is found, image retrieval averages over texts", () => {
    const ranks = retrievalRanks({
      images: matrix([[1, 0], [0, 1]]),
      texts: matrix([[1, 0], [0, 1], [0.1, 1]]),
      imageOfText: [0, 0, 1]
    })
    expect([...ranks.ofImages]).toEqual([0, 1, 0])
    expect([...ranks.ofTexts]).toEqual([0, 1])
    expect(retrievalMetrics(ranks, [1])).toEqual({ "imageRetrievalRecall@1": 2 / 3, "textRetrievalRecall@1": 1 / 2 })
  })
  it("grows with k up to 1", () => {
    fc.assert(fc.property(fc.nat(), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 3 }), (seed, m, c) => {
      const ranks = retrievalRanks(pairs(seed, m, c))
      for (const side of [ranks.ofImages, ranks.ofTexts]) {
        const recalls = ks.map((k) => recallAtK(side, k))
        expect(recalls).toEqual(recalls.toSorted((a, b) => a - b))
        expect(recalls.at(-1)).toBe(1)
      }
    }))
  })
  it("equals a stable sort of the whole score matrix, ties included", () => {
    const coarse = fc.array(fc.tuple(fc.constantFrom(-1, 0, 1), fc.constantFrom(0, 1)), { minLength: 1, maxLength: 6 })
    fc.assert(fc.property(coarse, coarse, (images, texts) => {
      const imageOfText = texts.map((_, t) => t % images.length)
      const ranks = retrievalRanks({ images: matrix(images), texts: matrix(texts), imageOfText })
      const unit = (v: readonly [number, number]) => v.map((x) => Math.fround(x / Math.max(1e-12, Math.hypot(...v))))
      const score = (t: number, i: number) => {
        const [a = 0, b = 0] = unit(texts[t] ?? [0, 0])
        const [c = 0, d = 0] = unit(images[i] ?? [0, 0])
        return Math.fround(a * c + b * d)
      }
      const order = (n: number, of: (x: number) => number) =>
        Array.from({ length: n }, (_, x) => x).sort((x, y) => of(y) - of(x))
      texts.forEach((_, t) =>
        expect(ranks.ofImages[t]).toBe(order(images.length, (i) => score(t, i)).indexOf(imageOfText[t] ?? -1))
      )
      images.forEach((_, i) => {
        const place = order(texts.length, (t) => score(t, i)).findIndex((t) => imageOfText[t] === i)
        expect(ranks.ofTexts[i]).toBe(place < 0 ? texts.length : place)
      })
    }))
  })
  it("does not depend on the order of pictures or texts", () => {
    fc.assert(fc.property(fc.nat(), (seed) => {
      const { images, texts, imageOfText } = pairs(seed, 7, 2)
      const imageOrder = permutation(testKey("order", seed, 0), 7)
      const textOrder = permutation(testKey("order", seed, 1), 14)
      const moved = retrievalRanks({
        images: reorder(images, imageOrder),
        texts: reorder(texts, textOrder),
        imageOfText: Array.from(textOrder, (t) => imageOrder.indexOf(imageOfText[t] ?? -1))
      })
      expect(retrievalMetrics(moved, ks)).toEqual(
        retrievalMetrics(retrievalRanks({ images, texts, imageOfText }), ks)
      )
    }))
  })
  it("equal embeddings score no better than chance, and NaN scores nothing", () => {
    const same = (x: number) => matrix(Array.from({ length: 10 }, () => [x, x]))
    const imageOfText = Array.from({ length: 10 }, (_, i) => i)
    const collapsed = retrievalRanks({ images: same(1), texts: same(1), imageOfText })
    expect(recallAtK(collapsed.ofImages, 1)).toBe(0.1)
    expect(recallAtK(collapsed.ofTexts, 1)).toBe(0.1)
    const broken = retrievalRanks({ images: same(NaN), texts: same(1), imageOfText })
    expect(recallAtK(broken.ofImages, 9)).toBe(0)
    expect(recallAtK(broken.ofTexts, 9)).toBe(0)
  })
  it("a picture without texts is never found, a text without a picture is refused", () => {
    const [images, texts] = [matrix([[1, 0], [0, 1]]), matrix([[1, 0]])]
    expect([...retrievalRanks({ images, texts, imageOfText: [0] }).ofTexts]).toEqual([0, 1])
    expect(() => retrievalRanks({ images, texts, imageOfText: [2] })).toThrow(ShapeError)
  })
})

describe("chance of retrieval", () => {
  it("agrees with 20,000 random orders within four standard errors", () => {
    const textsPerImage = [1, 5, 2, 4]
    const imageOfText = textsPerImage.flatMap((count, image) => Array.from({ length: count }, () => image))
    const trials = 20_000
    const found = { "1": 0, "3": 0 }
    for (let trial = 0; trial < trials; trial++) {
      const scores = uniform(fold(testKey("chance"), trial), imageOfText.length, 0, 1)
      const order = imageOfText.map((image, t) => ({ image, score: scores[t] ?? 0 })).sort((a, b) => b.score - a.score)
      const image = trial % textsPerImage.length
      for (const k of [1, 3] as const) if (order.slice(0, k).some((text) => text.image === image)) found[k]++
    }
    const chance = retrievalChance(textsPerImage, [1, 3])
    for (const k of [1, 3] as const) {
      const expected = chance[`textRetrievalRecall@${k}`] ?? NaN
      const error = Math.sqrt(expected * (1 - expected) / trials)
      expect(Math.abs(found[k] / trials - expected)).toBeLessThan(4 * error)
    }
  })
  it("is k / m for one text per picture, both ways, and 1 where k covers everything", () => {
    const chance = retrievalChance([1, 1, 1, 1], [1, 2, 4, 9])
    for (const [k, expected] of [[1, 0.25], [2, 0.5], [4, 1], [9, 1]] as const) {
      expect(chance[`imageRetrievalRecall@${k}`]).toBe(expected)
      expect(chance[`textRetrievalRecall@${k}`]).toBeCloseTo(expected, 12)
    }
  })
})
