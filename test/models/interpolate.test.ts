import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { DiffClipParams } from "../../lib/models/index.ts"
import {
  diffClip,
  fitContext,
  interpolatePositions,
  makeDiffClipStar,
  withContextLength,
  withImageSize
} from "../../lib/models/index.ts"
import { specsOf } from "../../lib/nn/index.ts"
import { fold, keyOf, normal } from "../../lib/tensor/index.ts"
import { tiny } from "./sizes.ts"

const bits = (array: Float32Array): ReadonlyArray<number> => [...new Uint32Array(array.slice().buffer)]

/** Positions whose class token is 9 and whose patches are given, width 1. */
const grid = (...patches: ReadonlyArray<number>): Float32Array => Float32Array.of(9, ...patches)

/** Keys' cubic with a = -0.5, as a formula in powers. */
const keys = (x: number): number => {
  const d = Math.abs(x)
  if (d < 1) return 1.5 * d ** 3 - 2.5 * d ** 2 + 1
  return d < 2 ? -0.5 * d ** 3 + 2.5 * d ** 2 - 4 * d + 2 : 0
}

/** The definition in two dimensions at once: a normalised sum over all inputs of the product of both weights. */
const byDefinition = (
  patches: ReadonlyArray<number>,
  from: number,
  to: number,
  [support, weight]: readonly [number, (x: number) => number]
): ReadonlyArray<number> => {
  const scale = from / to
  const stretch = Math.max(1, scale)
  const weightOf = (place: number, source: number): number => {
    const center = (place + 0.5) * scale
    const isTap = source >= Math.trunc(center - support * stretch + 0.5) &&
      source < Math.trunc(center + support * stretch + 0.5)
    return isTap ? weight((source + 0.5 - center) / stretch) : 0
  }
  return Array.from({ length: to * to }, (_, at) => {
    let [sum, total] = [0, 0]
    patches.forEach((patch, source) => {
      const w = weightOf(Math.floor(at / to), Math.floor(source / from)) * weightOf(at % to, source % from)
      sum += w * patch
      total += w
    })
    return sum / total
  })
}

describe("interpolatePositions", () => {
  it("the same size is a copy, bit for bit", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 4 }),
        fc.constantFrom("bicubic" as const, "bilinear" as const),
        fc.infiniteStream(fc.float()),
        (side, width, filter, numbers) => {
          const tokens = 1 + side * side
          const positions = Float32Array.from({ length: tokens * width }, () => numbers.next().value)
          const resized = interpolatePositions(positions, { tokens, width, filter })
          expect(bits(resized)).toEqual(bits(positions))
          expect(resized).not.toBe(positions)
        }
      ),
      { numRuns: 100 }
    )
  })

  it("bicubic from 2 x 2 to 4 x 4 has the weights 37/34, -3/34 and 111/140, 29/140", () => {
    // cubic(0.25) = 111/128, cubic(1.25) = -9/128, cubic(0.75) = 29/128, each normalised.
    const [a, b, c, d] = [0.5, -2, 3, 7]
    const edge = (x: number, y: number): number => (37 * x - 3 * y) / 34
    const inner = (x: number, y: number): number => (111 * x + 29 * y) / 140
    const row = (x: number, y: number) => [edge(x, y), inner(x, y), inner(y, x), edge(y, x)]
    const [top, bottom] = [row(a, b), row(c, d)]
    const mixed = (mix: typeof edge) => (i: number): number => mix(top[i] ?? 0, bottom[i] ?? 0)
    const found = interpolatePositions(grid(a, b, c, d), { tokens: 17, width: 1 })
    const at = [0, 1, 2, 3]
    const expected = [
      ...at.map(mixed(edge)),
      ...at.map(mixed(inner)),
      ...at.map(mixed((x, y) => inner(y, x))),
      ...at.map(mixed((x, y) => edge(y, x)))
    ]
    expect([...found.subarray(1)]).toEqual(expected.map((x) => expect.closeTo(x, 5)))
  })

  it("bilinear from 4 x 4 to 2 x 2 is antialiased: weights 3/7, 3/7, 1/7", () => {
    const patches = Array.from({ length: 16 }, (_, i) => (i * i) % 11)
    const weights = [[3 / 7, 3 / 7, 1 / 7, 0], [0, 1 / 7, 3 / 7, 3 / 7]]
    const expected = weights.flatMap((rows) =>
      weights.map((columns) => patches.reduce((sum, x, i) => sum + x * (rows[i >> 2] ?? 0) * (columns[i % 4] ?? 0), 0))
    )
    const found = interpolatePositions(grid(...patches), { tokens: 5, width: 1, filter: "bilinear" })
    expect([...found.subarray(1)]).toEqual(expected.map((x) => expect.closeTo(x, 6)))
  })

  it.each([[7, 12], [14, 24], [5, 3], [1, 4], [6, 1]])("from %i to %i it is the definition in float64", (from, to) => {
    const patches = [...normal(fold(keyOf(5), from), from * from, 1)]
    for (
      const [filter, kernel] of [
        ["bicubic", [2, keys]],
        ["bilinear", [1, (x: number) => Math.max(0, 1 - Math.abs(x))]]
      ] as const
    ) {
      const found = interpolatePositions(grid(...patches), { tokens: 1 + to * to, width: 1, filter })
      const expected = byDefinition(patches, from, to, kernel)
      // Sums in float64, one rounding to float32: half an ulp of numbers below 4.
      found.subarray(1).forEach((x, i) => expect(Math.abs(x - (expected[i] ?? NaN))).toBeLessThan(1.3e-7))
    }
  })

  it("keeps the class token and treats channels alone", () => {
    const [from, to, width] = [3, 5, 4]
    const positions = normal(keyOf(2), (1 + from * from) * width, 1)
    const found = interpolatePositions(positions, { tokens: 1 + to * to, width })
    expect(bits(found.subarray(0, width))).toEqual(bits(positions.subarray(0, width)))
    for (let channel = 0; channel < width; channel++) {
      const of = (all: Float32Array): Float32Array => all.filter((_, i) => i % width === channel)
      expect(of(found)).toEqual(interpolatePositions(of(positions), { tokens: 1 + to * to, width: 1 }))
    }
  })

  it("a constant grid stays constant", () => {
    const found = interpolatePositions(grid(...Array.from({ length: 49 }, () => 0.3)), { tokens: 1 + 81, width: 1 })
    expect([...found.subarray(1)]).toEqual(Array.from({ length: 81 }, () => expect.closeTo(0.3, 6)))
  })

  it("refuses tokens that are no class token and a square", () => {
    const positions = new Float32Array(10)
    expect(() => interpolatePositions(positions, { tokens: 7, width: 1 })).toThrow(/square grid of patches.*7 tokens/)
    expect(() => interpolatePositions(positions, { tokens: 5, width: 2 })).not.toThrow()
    expect(() => interpolatePositions(positions, { tokens: 5, width: 3 })).toThrow(/square grid/)
  })
})

describe("a model for other sizes of input", () => {
  const model = makeDiffClipStar("tiny", tiny, { truncate: "keepEot" })
  const shapes = (of: typeof model) =>
    specsOf<DiffClipParams>(of.specs).map(({ path, spec }) => `${path} ${spec.shape.join(" ")}`)

  it("differs in positions alone, and keeps kind, lambdaInit and text input", () => {
    const larger = withImageSize(model, 12)
    expect(shapes(larger).filter((shape) => !shapes(model).includes(shape))).toEqual(["visual.posEmbed 1 37 12"])
    expect(larger.settings).toEqual({ ...model.settings, imageSize: 12 })
    expect(larger.transform).toEqual({ ...model.transform, image: { ...model.transform.image, size: 12 } })
    const longer = withContextLength(model, 9)
    expect(shapes(longer).filter((shape) => !shapes(model).includes(shape))).toEqual(["text.posEmbed 9 12"])
    expect(longer.transform.text).toEqual({ ...model.transform.text, contextLength: 9 })
    expect(withImageSize(diffClip, 336).numParameters - diffClip.numParameters).toBe(245 * 768)
  })

  it("must be a multiple of the patch size", () => {
    expect(() => withImageSize(model, 9)).toThrow(/multiple of the patch size 2/)
  })
})

describe("fitContext", () => {
  const positions = Float32Array.of(1, 2, 3, 4, 5, 6)

  it("keeps the first rows of a shorter context and adds rows of zeros to a longer one", () => {
    expect([...fitContext(positions, { contextLength: 2, width: 2 })]).toEqual([1, 2, 3, 4])
    expect([...fitContext(positions, { contextLength: 4, width: 2 })]).toEqual([1, 2, 3, 4, 5, 6, 0, 0])
    expect(fitContext(positions, { contextLength: 3, width: 2 })).toEqual(positions)
  })

  it("refuses what is no whole number of rows", () => {
    expect(() => fitContext(positions, { contextLength: 2, width: 4 })).toThrow(/rows of 4/)
  })
})
