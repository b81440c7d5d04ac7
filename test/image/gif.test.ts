import { it } from "@effect/vitest"
import { Effect } from "effect"
import { describe, expect } from "vitest"
import sharp from "sharp"
import { decodeGif, decodeGifWithAlpha, readImageHeader } from "../../lib/image/index.ts"
import { gifOf } from "./files.ts"

const palette = [[10, 20, 30], [40, 50, 60], [70, 80, 90], [1, 2, 3]] as const
const read = (bytes: Uint8Array) => {
  const header = readImageHeader(bytes)
  if ("problem" in header || header.firstFrame === undefined) throw new Error("no frame")
  return {
    rgb: decodeGif(bytes, header, header.firstFrame),
    rgba: decodeGifWithAlpha(bytes, header, header.firstFrame)
  }
}

describe("a GIF's first frame", () => {
  it('keeps the colours of transparent pixels, as convert("RGB") does', () => {
    const { rgb, rgba } = read(gifOf({ screen: [2, 1], frame: [0, 0, 2, 1], palette, indices: [1, 2], transparent: 2 }))
    expect([...rgb.data]).toEqual([40, 50, 60, 70, 80, 90])
    expect([...rgba.data]).toEqual([40, 50, 60, 255, 70, 80, 90, 0])
  })

  it("stands on the transparent colour where it does not cover the screen, else on colour 0", () => {
    const parts = { screen: [3, 1], frame: [1, 0, 1, 1], palette, indices: [1] } as const
    expect([...read(gifOf(parts)).rgb.data]).toEqual([10, 20, 30, 40, 50, 60, 10, 20, 30])
    expect([...read(gifOf({ ...parts, transparent: 3 })).rgb.data]).toEqual([1, 2, 3, 40, 50, 60, 1, 2, 3])
  })

  it("puts interlaced rows where they belong", () => {
    const rows = [0, 1, 2, 3, 0, 1, 2, 3, 3]
    const order = [0, 8, 4, 2, 6, 1, 3, 5, 7]
    const indices = order.map((y) => rows[y] ?? 0)
    const { rgb } = read(gifOf({ screen: [1, 9], frame: [0, 0, 1, 9], palette, indices, isInterlaced: true }))
    expect([...rgb.data]).toEqual(rows.flatMap((index) => palette[index] ?? []))
  })

  it.effect("equals another decoder's on full code tables, 256 and 16 colours", () =>
    Effect.gen(function* () {
      const [width, height] = [173, 131]
      const noise = Uint8Array.from({ length: width * height * 3 }, (_, i) => Math.imul(i, 2654435761) >>> 24)
      for (const colours of [256, 16]) {
        const raw = { width, height, channels: 3 } as const
        const gif = yield* Effect.promise(() => sharp(noise, { raw }).gif({ colours }).toBuffer())
        const theirs = yield* Effect.promise(() => sharp(gif).removeAlpha().raw().toBuffer())
        expect(Buffer.compare(Buffer.from(read(new Uint8Array(gif)).rgb.data), theirs)).toBe(0)
      }
    }))
})
