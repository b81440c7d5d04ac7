import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  applyTransform,
  demoTransform,
  evalTransform,
  randomResizedCropBox,
  trainTransform
} from "../../lib/image/index.ts"
import type { RgbImage } from "../../lib/image/index.ts"
import { keyOf, uniformSequence } from "../../lib/tensor/random.ts"
import { cases, floats, maxDifference, picture, size, tensorNames } from "./golden.ts"

const options = trainTransform(224)
const side = fc.integer({ min: 1, max: 600 })
const seed = fc.nat()
const never = (): number => {
  throw new Error("a transform without chance asked for a random number")
}

describe("randomResizedCropBox", () => {
  it("lies in the picture; area and proportions are in range up to rounding, or it is the centred fallback", () => {
    fc.assert(
      fc.property(side, side, seed, (width, height, s) => {
        const box = randomResizedCropBox(width, height, options, uniformSequence(keyOf(s)))
        expect(Math.min(box.left, box.top)).toBeGreaterThanOrEqual(0)
        expect(Math.min(box.width, box.height)).toBeGreaterThan(0)
        expect(box.left + box.width).toBeLessThanOrEqual(width)
        expect(box.top + box.height).toBeLessThanOrEqual(height)
        const isCentred = box.left === Math.floor((width - box.width) / 2) &&
          box.top === Math.floor((height - box.height) / 2)
        const isFallback = isCentred && (box.width === width || box.height === height)
        if (isFallback) return
        // sides are rounded, so each may be off by a half
        const area = width * height
        expect((box.width + 0.5) * (box.height + 0.5)).toBeGreaterThanOrEqual(0.5 * area * (1 - 1e-12))
        expect((box.width - 0.5) * (box.height - 0.5)).toBeLessThanOrEqual(area * (1 + 1e-12))
        expect((box.width + 0.5) / (box.height - 0.5)).toBeGreaterThanOrEqual(3 / 4 - 1e-12)
        expect((box.width - 0.5) / (box.height + 0.5)).toBeLessThanOrEqual(4 / 3 + 1e-12)
      }),
      { numRuns: 2000 }
    )
  })

  it("draws area, proportions, top, left in this order", () => {
    const draws = [0.5, 0.5, 0.999, 0]
    const box = randomResizedCropBox(100, 100, options, () => draws.shift() ?? NaN)
    expect(box).toEqual({ left: 0, top: 13, width: 87, height: 87 }) // sqrt(7500) = 86.6, 14 offsets
    expect(draws).toEqual([])
  })

  it("falls back to the largest centred box after ten tries", () => {
    let calls = 0
    const next = () => (calls++, 0.5)
    expect(randomResizedCropBox(100, 30, options, next)).toEqual({ left: 30, top: 0, width: 40, height: 30 })
    expect(calls).toBe(20)
    expect(randomResizedCropBox(30, 100, options, next)).toEqual({ left: 0, top: 30, width: 30, height: 40 })
  })

  it("reaches every offset, both ends included, about equally often", () => {
    const next = uniformSequence(keyOf(1))
    const fixed = { scale: [0.64, 0.64], ratio: [1, 1] } as const // 8 x 8 in 10 x 10
    const counts = [0, 0, 0]
    for (let i = 0; i < 3000; i++) {
      const { left } = randomResizedCropBox(10, 10, fixed, next)
      counts[left] = (counts[left] ?? 0) + 1
    }
    expect(Math.min(...counts)).toBeGreaterThan(900)
  })
})

describe("applyTransform", () => {
  const image: RgbImage = picture(`${cases[0]?.file}/decoded`)

  it("writes one picture into its place in a batch and nothing else", () => {
    const transform = evalTransform(8)
    const batch = new Float32Array(3 * 192).fill(7)
    applyTransform(transform, image, never, batch, 192)
    const outside = [...batch.subarray(0, 192), ...batch.subarray(384)]
    expect(outside.every((v) => v === 7)).toBe(true)
    expect(batch.subarray(192, 384).includes(7)).toBe(false)
    expect(() => applyTransform(transform, image, never, batch, 385)).toThrow(/room/)
  })

  it.each(tensorNames.filter((name) => name.endsWith("/val_bilinear")))("evalTransform equals golden %s", (name) => {
    const out = new Float32Array(3 * size * size)
    applyTransform(evalTransform(size), picture(name.replace("val_bilinear", "decoded")), never, out, 0)
    expect(maxDifference(out, floats(name))).toBe(0)
  })

  it("is a function of picture and sequence, and the sequence matters", () => {
    const run = (s: number, transform = trainTransform(16)) => {
      const out = new Float32Array(3 * transform.size ** 2)
      applyTransform(transform, image, uniformSequence(keyOf(s)), out, 0)
      return out
    }
    expect(run(1)).toEqual(run(1))
    expect(run(1)).not.toEqual(run(2))
  })

  it("the presets are the published ones: no flip, ImageNet's mean and std", () => {
    expect(trainTransform(224)).toMatchObject({ scale: [0.5, 1], ratio: [3 / 4, 4 / 3], filter: "bilinear" })
    expect(evalTransform(224)).toMatchObject({ kind: "shorterSideCenterCrop", filter: "bilinear" })
    expect(demoTransform(224)).toMatchObject({ kind: "squash", filter: "bicubic" })
    for (const preset of [trainTransform(1), evalTransform(1), demoTransform(1)]) {
      expect(preset).toMatchObject({ mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] })
    }
  })
})
