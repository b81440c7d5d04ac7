import { it } from "@effect/vitest"
import { Effect } from "effect"
import fc from "fast-check"
import { describe, expect } from "vitest"
import sharp from "sharp"
import { defaultImageLimits, ImageDecoder, makeDecoder, readImageHeader } from "../../lib/image/index.ts"
import type { ImageLimits } from "../../lib/image/index.ts"
import { sharpDecoder } from "../../lib/image/sharp.ts"
import { gifOf, pngOf, textBytes } from "./files.ts"
import { bytesOf, cases } from "./golden.ts"

const decode = (bytes: Uint8Array, limits?: ImageLimits) =>
  Effect.provide(Effect.flatMap(ImageDecoder, (decoder) => decoder.decode(bytes, limits)), sharpDecoder)
const failure = (bytes: Uint8Array, limits?: ImageLimits) => Effect.flip(decode(bytes, limits))

/** A decoder that dies when it is asked to decode: what fails with it failed before. */
const never = makeDecoder(() => Effect.die(new Error("decoded")))

describe("caps", () => {
  it.effect("a PNG that claims 100,000 x 100,000 pixels fails on its header, before decoding", () =>
    Effect.gen(function* () {
      for (const rows of [[], [[1, 2, 3]]]) {
        const error = yield* Effect.flip(never.decode(pngOf(100_000, 100_000, 8, 2, rows)))
        expect(error).toMatchObject({ _tag: "ImageError", reason: "tooManyPixels", width: 100_000, height: 100_000 })
        expect(error.message).toContain("100000 x 100000")
      }
    }))

  it.effect("a file above maxBytes fails before its header is read", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(never.decode(new Uint8Array(11), { ...defaultImageLimits, maxBytes: 10 }))
      expect(error).toMatchObject({ reason: "tooManyBytes", numBytes: 11, limit: 10 })
    }))

  it.effect("every format's header is held against maxPixels; one pixel less is too many", () =>
    Effect.gen(function* () {
      for (const { file, width, height } of cases) {
        const limits = { ...defaultImageLimits, maxPixels: width * height - 1 }
        const error = yield* Effect.flip(never.decode(bytesOf(file), limits))
        expect(error).toMatchObject({ reason: "tooManyPixels", width, height })
        const image = yield* decode(bytesOf(file), { ...limits, maxPixels: width * height })
        expect(image.width).toBe(width)
      }
    }))

  it.effect("a GIF's frame counts where it reaches beyond the screen", () =>
    Effect.gen(function* () {
      const palette = [[0, 0, 0], [1, 1, 1], [2, 2, 2], [3, 3, 3]] as const
      const gif = gifOf({ screen: [1, 1], frame: [60_000, 60_000, 2, 2], palette, indices: [0, 0, 0, 0] })
      expect(yield* Effect.flip(never.decode(gif))).toMatchObject({ reason: "tooManyPixels", width: 60_002 })
    }))
})

describe("bad files", () => {
  it.effect("garbage, SVG, other formats and nothing at all are typed errors", () =>
    Effect.gen(function* () {
      const reasonOf = (bytes: Uint8Array) => Effect.map(failure(bytes), ({ reason }) => reason)
      expect(yield* reasonOf(new Uint8Array(0))).toBe("truncated")
      expect(yield* reasonOf(textBytes("garbage, not a picture"))).toBe("unsupported")
      expect(yield* reasonOf(textBytes(`<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>`))).toBe(
        "unsupported"
      )
      const tiff = yield* Effect.promise(() => sharp(bytesOf("rgb_70x50.png")).tiff().toBuffer())
      expect(yield* reasonOf(tiff)).toBe("unsupported")
      expect(yield* reasonOf(pngOf(3, 3, 3, 2, [[0]]))).toBe("corrupt")
      expect(yield* reasonOf(pngOf(0, 3, 8, 2, [[0]]))).toBe("corrupt")
      expect(yield* reasonOf(pngOf(3, 3, 8, 2, []))).toBe("truncated")
      expect(yield* reasonOf(Uint8Array.from([0xff, 0xd8, 0xff, 0xd9]))).toBe("corrupt")
    }))

  it.effect("a file cut after its header is truncated, and says its size and what to do", () =>
    Effect.gen(function* () {
      const jpeg = bytesOf("rgb_65x47_q80_444.jpg")
      const scan = jpeg.findIndex((byte, i) => byte === 0xff && jpeg[i + 1] === 0xda)
      const error = yield* failure(jpeg.subarray(0, scan + 14))
      expect(error).toMatchObject({ reason: "truncated", width: 65, height: 47 })
      expect(error.message).toMatch(/fetch the file again or leave it out$/)
    }))

  it.effect("a cut baseline JPEG keeps what it has, at full size", () =>
    Effect.gen(function* () {
      const jpeg = bytesOf("rgb_65x47_q80_444.jpg")
      const [whole, half] = [yield* decode(jpeg), yield* decode(jpeg.subarray(0, Math.floor(jpeg.length * 0.7)))]
      expect([half.width, half.height]).toEqual([65, 47])
      expect(half.data.subarray(0, 65 * 3 * 8)).toEqual(whole.data.subarray(0, 65 * 3 * 8))
    }))

  it.effect("cut anywhere, a file gives its size or a typed error; once decodable it stays so", () =>
    Effect.gen(function* () {
      const names = cases.map(({ file }) => file)
      for (const file of names.filter((name) => !name.endsWith(".webp"))) {
        const bytes = bytesOf(file)
        let wasRead = false
        for (let k = 0; k <= 16; k++) {
          const result = yield* Effect.result(decode(bytes.subarray(0, Math.floor((bytes.length * k) / 16))))
          if (result._tag === "Failure") expect([file, k, result.failure.reason]).toEqual([file, k, "truncated"])
          expect([file, k, wasRead && result._tag === "Failure"]).toEqual([file, k, false])
          wasRead = result._tag === "Success"
        }
        expect(wasRead).toBe(true)
      }
    }))

  it.effect("a cut WebP is truncated", () =>
    Effect.gen(function* () {
      const bytes = bytesOf("lossy_63x45.webp")
      expect(yield* failure(bytes.subarray(0, bytes.length - 200))).toMatchObject({ reason: "truncated", width: 63 })
    }))

  it("reading a header never throws, whatever follows a signature", () => {
    const starts = [
      "\xff\xd8\xff",
      "GIF89a",
      "\x89PNG\r\n\x1a\n",
      "RIFF1234WEBPVP8X",
      "RIFF1234WEBPVP8L",
      "RIFF1234WEBPVP8 "
    ]
    fc.assert(
      fc.property(fc.constantFrom(...starts), fc.uint8Array({ maxLength: 300 }), (start, rest) => {
        const bytes = Uint8Array.from([...Array.from(start, (c) => c.charCodeAt(0)), ...rest])
        const header = readImageHeader(bytes)
        expect("problem" in header || (header.width > 0 && header.height > 0)).toBe(true)
      }),
      { numRuns: 500 }
    )
  })

  it("stuffed bytes in the millions do not exhaust the stack", () => {
    const bytes = new Uint8Array(2_000_000).map((_, i) => i % 2 === 0 ? 0xff : i === 1 ? 0xd8 : 0)
    bytes[2] = bytes[3] = 0xff
    expect(readImageHeader(bytes)).toMatchObject({ problem: "truncated" })
  })

  it.effect("bytes changed at random give a picture of the claimed size or a typed error", () =>
    Effect.gen(function* () {
      for (
        const file of ["progressive_57x61.jpg", "rgb_70x50.png", "anim_48x37.gif", "alpha_46x39.webp", "cmyk_43x58.jpg"]
      ) {
        const original = bytesOf(file)
        for (let run = 0; run < 20; run++) {
          const bytes = original.slice()
          for (let k = 0; k < 5; k++) bytes[(run * 7919 + k * 104_729) % bytes.length] = (run * 31 + k * 17) & 255
          const result = yield* Effect.result(decode(bytes, { maxBytes: 1e6, maxPixels: 1e6 }))
          if (result._tag === "Failure") expect(result.failure._tag).toBe("ImageError")
          else expect(result.success.data.length).toBe(result.success.width * result.success.height * 3)
        }
      }
    }))
})

describe("colour rules beyond the golden files", () => {
  it.effect("PNG: depths, transparency chunks and alpha at 16 bits", () =>
    Effect.gen(function* () {
      const pixels = (bytes: Uint8Array) => Effect.map(decode(bytes), ({ data }) => [...data])
      // grey of 2 and 4 bits is scaled; tRNS never removes a colour
      expect(yield* pixels(pngOf(4, 1, 2, 0, [[0b00011011]]))).toEqual([0, 85, 170, 255].flatMap((v) => [v, v, v]))
      expect(yield* pixels(pngOf(2, 1, 4, 0, [[0x5f]], { tRNS: [0, 5] }))).toEqual([85, 85, 85, 255, 255, 255])
      expect(yield* pixels(pngOf(1, 1, 8, 2, [[1, 2, 3]], { tRNS: [0, 1, 0, 2, 0, 3] }))).toEqual([1, 2, 3])
      // 16 bits: grey is clipped, grey with alpha and colour keep the high byte
      expect(yield* pixels(pngOf(2, 1, 16, 0, [[0, 52, 171, 255]], { tRNS: [0, 52] }))).toEqual([
        52,
        52,
        52,
        255,
        255,
        255
      ])
      expect(yield* pixels(pngOf(1, 1, 16, 4, [[18, 255, 0, 0]]))).toEqual([18, 18, 18])
      expect(yield* pixels(pngOf(1, 1, 16, 6, [[18, 255, 128, 127, 1, 2, 0, 0]]))).toEqual([18, 128, 1])
    }))

  it.effect("CMYK JPEG without an Adobe marker is read like one with it", () =>
    Effect.gen(function* () {
      const bytes = bytesOf("cmyk_43x58.jpg")
      const at = bytes.findIndex((byte, i) => byte === 0xff && bytes[i + 1] === 0xee)
      const length = ((bytes[at + 2] ?? 0) << 8) + (bytes[at + 3] ?? 0)
      const without = Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + 2 + length)])
      expect(yield* decode(without)).toEqual(yield* decode(bytes))
    }))
})
