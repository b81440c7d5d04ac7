import { it } from "@effect/vitest"
import { Effect } from "effect"
import { describe, expect } from "vitest"
import { ImageDecoder } from "../../lib/image/index.ts"
import { decodeOnWhite, encodePng, renderSvg, sharpDecoder } from "../../lib/image/sharp.ts"
import { gifOf, pngOf, textBytes } from "./files.ts"
import { bytesOf, cases, picture } from "./golden.ts"

const svg = (body: string) => textBytes(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 72 72">${body}</svg>`)

describe("preparing pictures", () => {
  it.effect("encodePng and decode give the same pixels back; grey and alpha too", () =>
    Effect.gen(function* () {
      const decoder = yield* ImageDecoder
      const image = picture(`${cases[0]?.file}/decoded`)
      expect(yield* decoder.decode(yield* encodePng(image))).toEqual(image)
      const grey = yield* encodePng({ width: 2, height: 1, channels: 1, data: Uint8Array.from([7, 200]) })
      expect([...(yield* decoder.decode(grey)).data]).toEqual([7, 7, 7, 200, 200, 200])
      const clear = yield* encodePng({ width: 1, height: 1, channels: 4, data: Uint8Array.from([9, 8, 7, 0]) })
      expect([...(yield* decoder.decode(clear)).data]).toEqual([9, 8, 7])
      const error = yield* Effect.flip(encodePng({ width: 2, height: 2, data: new Uint8Array(3) }))
      expect(error.message).toContain("expected 2 x 2 x 3 bytes to encode, got 3")
    }).pipe(Effect.provide(sharpDecoder)))

  it.effect("decodeOnWhite lays transparent pixels on white, where decode keeps their colours", () =>
    Effect.gen(function* () {
      const rgba = pngOf(3, 1, 8, 6, [[10, 20, 30, 0, 10, 20, 30, 255, 0, 0, 0, 128]])
      expect([...(yield* decodeOnWhite(rgba)).data]).toEqual([255, 255, 255, 10, 20, 30, 127, 127, 127])
      const palette = [[1, 2, 3], [4, 5, 6], [7, 8, 9], [0, 0, 0]] as const
      const gif = gifOf({ screen: [2, 1], frame: [0, 0, 2, 1], palette, indices: [1, 2], transparent: 2 })
      expect([...(yield* decodeOnWhite(gif)).data]).toEqual([4, 5, 6, 255, 255, 255])
    }))

  it.effect("decodeOnWhite equals decode on every golden file without alpha", () =>
    Effect.gen(function* () {
      const decoder = yield* ImageDecoder
      for (const { file } of cases.filter(({ file }) => !/^(rgba|la|alpha|palette_trns)_/.test(file))) {
        expect([file, yield* decodeOnWhite(bytesOf(file))]).toEqual([file, yield* decoder.decode(bytesOf(file))])
      }
    }).pipe(Effect.provide(sharpDecoder)))

  it.effect("renderSvg draws on white into a square of the size asked for", () =>
    Effect.gen(function* () {
      for (const size of [8, 32, 64]) {
        const image = yield* renderSvg(svg(`<rect x="18" y="18" width="36" height="36" fill="#f00"/>`), { size })
        expect([image.width, image.height, image.data.length]).toEqual([size, size, size * size * 3])
        const middle = (size / 2 * size + size / 2) * 3
        expect([...image.data.subarray(0, 3), ...image.data.subarray(middle, middle + 3)]).toEqual([
          255,
          255,
          255,
          255,
          0,
          0
        ])
      }
    }))

  it.effect("renderSvg refuses long texts, huge sizes and what is not an SVG", () =>
    Effect.gen(function* () {
      const drawing = svg("")
      expect((yield* Effect.flip(renderSvg(drawing, { size: 8, maxBytes: 10 }))).reason).toBe("tooManyBytes")
      expect((yield* Effect.flip(renderSvg(drawing, { size: 100_000 }))).reason).toBe("tooManyPixels")
      expect((yield* Effect.flip(renderSvg(textBytes("<svg"), { size: 8 }))).reason).toBe("corrupt")
      expect((yield* Effect.flip(renderSvg(bytesOf("rgb_70x50.png"), { size: 8 }))).reason).toBe("corrupt")
    }))
})
