import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { centerBox, centerCrop, crop, onWhite, resize, roundHalfEven } from "../../lib/image/index.ts"
import type { RgbImage } from "../../lib/image/index.ts"
import { ShapeError } from "../../lib/tensor/shape.ts"

const side = fc.integer({ min: 1, max: 40 })
const filter = fc.constantFrom("bilinear" as const, "bicubic" as const)
const image: fc.Arbitrary<RgbImage> = fc.tuple(side, side).chain(([width, height]) =>
  fc.uint8Array({ minLength: width * height * 3, maxLength: width * height * 3 }).map((data) => ({
    width,
    height,
    data
  }))
)

describe("resize", () => {
  it("keeps a constant picture constant", () => {
    const colour = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255))
    fc.assert(fc.property(side, side, side, side, filter, colour, (w, h, outW, outH, kind, rgb) => {
      const flat = { width: w, height: h, data: Uint8Array.from({ length: w * h * 3 }, (_, i) => rgb[i % 3] ?? 0) }
      const out = resize(flat, outW, outH, kind)
      expect(out.data.every((v, i) => v === rgb[i % 3])).toBe(true)
    }))
  })

  it("to the same size changes nothing and shares nothing", () => {
    fc.assert(fc.property(image, filter, (x, kind) => {
      const out = resize(x, x.width, x.height, kind)
      expect(out).toEqual(x)
      expect(out.data.buffer).not.toBe(x.data.buffer)
    }))
  })

  it("bilinear stays between the least and the greatest value of each channel", () => {
    fc.assert(fc.property(image, side, side, (x, w, h) => {
      const out = resize(x, w, h, "bilinear")
      for (let c = 0; c < 3; c++) {
        const values = x.data.filter((_, i) => i % 3 === c)
        const [low, high] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))]
        expect(out.data.every((v, i) => i % 3 !== c || (v >= low && v <= high))).toBe(true)
      }
    }))
  })

  it("of a box equals resize of the crop: pixels outside do not count", () => {
    fc.assert(
      fc.property(image, fc.nat(), fc.nat(), fc.nat(), fc.nat(), side, side, filter, (x, a, b, c, d, w, h, kind) => {
        const [left, top] = [a % x.width, b % x.height]
        const box = { left, top, width: 1 + c % (x.width - left), height: 1 + d % (x.height - top) }
        expect(resize(x, w, h, kind, box)).toEqual(resize(crop(x, box), w, h, kind))
      })
    )
  })

  it("throws ShapeError for wrong lengths, sizes and boxes", () => {
    const x = { width: 2, height: 2, data: new Uint8Array(12) }
    expect(() => resize({ ...x, width: 3 }, 2, 2, "bilinear")).toThrow(ShapeError)
    expect(() => resize(x, 0, 2, "bilinear")).toThrow(ShapeError)
    expect(() => resize(x, 1.5, 2, "bilinear")).toThrow(ShapeError)
    expect(() => resize(x, 1, 1, "bilinear", { left: 1, top: 0, width: 2, height: 1 })).toThrow(/within 2 x 2/)
    expect(() => centerCrop(x, 3)).toThrow(ShapeError)
  })
})

describe("rounding and alpha", () => {
  it("crop offsets round halves to even", () => {
    expect([0.5, 1.5, 2.5, 3.5, 2.4, 2.6].map(roundHalfEven)).toEqual([0, 2, 2, 4, 2, 3])
    expect(centerBox(37, 35, 32)).toMatchObject({ left: 2, top: 2 })
  })

  it("onWhite rounds (c a + 255 (255 - a)) / 255 to the nearest", () => {
    fc.assert(fc.property(fc.nat(255), fc.nat(255), (c, a) => {
      const out = onWhite({ width: 1, height: 1, data: Uint8Array.from([c, 0, 255, a]) })
      expect([...out.data]).toEqual([Math.round((c * a + 255 * (255 - a)) / 255), 255 - a, 255])
    }))
  })
})
