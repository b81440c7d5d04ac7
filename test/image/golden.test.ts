import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import {
  centerBox,
  centerCrop,
  ImageDecoder,
  imagenetNormalization,
  normalize,
  readImageHeader,
  resize,
  resizeShorterSide,
  shorterSideSize
} from "../../lib/image/index.ts"
import { sharpDecoder } from "../../lib/image/sharp.ts"
import { bytesOf, cases, floats, maxDifference, mean, picture, size, std, tensorNames } from "./golden.ts"

const decode = (bytes: Uint8Array) =>
  Effect.runPromise(Effect.provide(Effect.flatMap(ImageDecoder, (decoder) => decoder.decode(bytes)), sharpDecoder))

describe.each(cases)("preprocess/$file", ({ file, width, height, resized, crop, rrc, linearResize }) => {
  const decoded = picture(`${file}/decoded`)
  const golden = (name: string) => picture(`${file}/${name}`)

  it("decodes to Pillow's bytes", async () => {
    expect(await decode(bytesOf(file))).toEqual(decoded)
  })

  it("the header alone gives the size", () => {
    expect(readImageHeader(bytesOf(file))).toMatchObject({ width, height, hasPixelData: true })
  })

  it("the shorter side and the crop are where torchvision puts them", () => {
    const [w, h] = shorterSideSize(width, height, size)
    expect([w, h]).toEqual(resized)
    const box = centerBox(w, h, size)
    expect([box.left, box.top]).toEqual(crop)
  })

  it("shorter side, bilinear and bicubic, and centre crop equal Pillow's bytes", () => {
    const full = resizeShorterSide(decoded, size, "bilinear")
    expect(full).toEqual(golden("resized_full_bilinear_u8"))
    expect(centerCrop(full, size)).toEqual(golden("val_bilinear_u8"))
    expect(centerCrop(resizeShorterSide(decoded, size, "bicubic"), size)).toEqual(golden("val_bicubic_u8"))
    expect(centerCrop(resizeShorterSide(decoded, linearResize, "bilinear"), size)).toEqual(golden("linear256_u8"))
  })

  it("squashed to a square equals Pillow's bytes", () => {
    expect(resize(decoded, size, size, "bicubic")).toEqual(golden("demo_u8"))
  })

  it("a given random crop, resized, equals Pillow's bytes", () => {
    expect(resize(decoded, size, size, "bilinear", rrc)).toEqual(golden("rrc_u8"))
  })
})

describe("normalisation", () => {
  it("uses the golden mean and std", () => {
    expect(imagenetNormalization).toEqual({ mean, std })
  })

  const normalized = tensorNames.filter((name) => name.endsWith("/val_bilinear"))
  it("has golden tensors", () => expect(normalized.length).toBeGreaterThan(0))

  it.each(normalized)("%s agrees to the bit", (name) => {
    const out = normalize(picture(`${name}_u8`), imagenetNormalization)
    expect(maxDifference(out, floats(name))).toBe(0)
  })

  it.each(tensorNames.filter((name) => name.startsWith("full224/") && name.endsWith("/sample14")))(
    "%s: the whole evaluation path at 224 pixels",
    (name) => {
      const file = name.slice("full224/".length, -"/sample14".length)
      const pixels = centerCrop(resizeShorterSide(picture(`${file}/decoded`), 224, "bilinear"), 224)
      const full = normalize(pixels, imagenetNormalization)
      const places = Array.from({ length: 16 }, (_, i) => 7 + 14 * i)
      const sample = [0, 1, 2].flatMap((c) =>
        places.flatMap((y) => places.map((x) => full[(c * 224 + y) * 224 + x] ?? NaN))
      )
      expect(maxDifference(sample, floats(name))).toBeLessThanOrEqual(1e-6)
      const means = [0, 1, 2].map((c) => full.subarray(c * 50176, (c + 1) * 50176).reduce((s, v) => s + v, 0) / 50176)
      expect(maxDifference(means, floats(`full224/${file}/mean`))).toBeLessThanOrEqual(1e-5)
    }
  )
})
