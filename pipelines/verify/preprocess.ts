import { Effect, FileSystem, Path, Schema } from "effect"
import type { RgbImage } from "../../lib/api/index.ts"
import {
  centerBox,
  centerCrop,
  demoTransform,
  evalTransform,
  ImageDecoder,
  normalize,
  resize,
  resizeShorterSide,
  shorterSideSize,
  transformPixels
} from "../../lib/image/index.ts"
import type { Normalization } from "../../lib/image/index.ts"
import type { Golden } from "./golden.ts"
import { check, GoldenProblem, guarded } from "./golden.ts"
import type { Row } from "./row.ts"
import { abs, compare, exact, failedRow } from "./row.ts"
import { stored } from "./tensors.ts"

const Image = Schema.Struct({
  file: Schema.String,
  width: Schema.Int,
  height: Schema.Int,
  resized_w: Schema.Int,
  resized_h: Schema.Int,
  crop_left: Schema.Int,
  crop_top: Schema.Int,
  rrc: Schema.Struct({ top: Schema.Int, left: Schema.Int, height: Schema.Int, width: Schema.Int }),
  linear_resize: Schema.Int
})
type Image = typeof Image.Type

const PerChannel = Schema.Tuple([Schema.Finite, Schema.Finite, Schema.Finite])

/** GOLDENS 10. The decoder is built on libjpeg and libwebp, so that decoded bytes are exact for every kind of file. */
const limits = { normalized: abs(1e-6), mean: abs(1e-5) }

const pictureOf = (golden: Golden, name: string): RgbImage => {
  const { shape, data } = stored(golden, name)
  const [height = 0, width = 0, channels] = shape
  if (shape.length !== 3 || channels !== 3) {
    throw new GoldenProblem(`expected ${name} of shape [height, width, 3], the file has [${shape.join(", ")}]`)
  }
  return { width, height, data: Uint8Array.from(data) }
}

const never = (): number => {
  throw new Error("this transform draws nothing")
}

/** Everything after decoding, from the stored decoded picture, so that the decoder does not hide it. */
const pixelRows = (golden: Golden, image: Image, size: number, normalization: Normalization): ReadonlyArray<Row> => {
  const { file } = image
  const decoded = pictureOf(golden, `${file}/decoded`)
  const row = (name: string, { data }: RgbImage): Row => check(golden, `${file}/${name}`, data, exact)
  const [w, h] = shorterSideSize(image.width, image.height, size)
  const { left, top } = centerBox(w, h, size)
  const full = resizeShorterSide(decoded, size, "bilinear")
  const validation = transformPixels(evalTransform(size), decoded, never)
  const linear = resizeShorterSide(decoded, image.linear_resize, "bilinear")
  const places = [image.resized_w, image.resized_h, image.crop_left, image.crop_top]
  return [
    compare(golden.file, `${file} metadata size, crop`, [w, h, left, top], places, exact),
    row("resized_full_bilinear_u8", full),
    row("val_bilinear_u8", validation),
    row("val_bicubic_u8", transformPixels({ ...evalTransform(size), filter: "bicubic" }, decoded, never)),
    row("demo_u8", transformPixels(demoTransform(size), decoded, never)),
    row("linear256_u8", centerCrop(linear, size)),
    row("rrc_u8", resize(decoded, size, size, "bilinear", image.rrc)),
    // Stored for some of the files only.
    ...(golden.has(`${file}/val_bilinear`) ?
      [check(golden, `${file}/val_bilinear`, normalize(validation, normalization), limits.normalized)] :
      [])
  ]
}

const FULL = 224
/** Every 14th row and column of 224, from 7. */
const places = Array.from({ length: 16 }, (_, i) => 7 + 14 * i)

/** The whole evaluation path at 224 pixels: a sample of the pixels and each channel's mean. */
const fullRows = (golden: Golden, file: string, normalization: Normalization): ReadonlyArray<Row> => {
  const pixels = transformPixels(evalTransform(FULL), pictureOf(golden, `${file}/decoded`), never)
  const full = normalize(pixels, normalization)
  const plane = FULL * FULL
  const channels = [0, 1, 2]
  const sample = channels.flatMap((c) =>
    places.flatMap((y) => places.map((x) => full[c * plane + y * FULL + x] ?? Number.NaN))
  )
  const means = channels.map((c) => full.subarray(c * plane, (c + 1) * plane).reduce((sum, v) => sum + v, 0) / plane)
  return [
    check(golden, `full${FULL}/${file}/sample14`, sample, limits.normalized),
    check(golden, `full${FULL}/${file}/mean`, means, limits.mean)
  ]
}

const decodeRow = Effect.fnUntraced(function* (golden: Golden, folder: string, { file, width, height }: Image) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const decoder = yield* ImageDecoder
  const name = `${file}/decoded`
  if (path.basename(file) !== file) return [failedRow(golden.file, name, "expected a bare file name")]
  const bytes = yield* fs.readFile(path.join(folder, file))
  const image = yield* decoder.decode(bytes)
  return guarded(golden.file, name, () => [
    compare(golden.file, `${file} metadata width, height`, [image.width, image.height], [width, height], exact),
    check(golden, name, image.data, exact)
  ])
})

/**
 * Rows of `preprocess.safetensors` and of the picture files in `folder`: what each file decodes to, and every resampling
 * and normalisation of the stored decoded pictures; on the host. A file that is absent or does not decode is a failed
 * row. Source: GOLDENS 10.
 */
export const verifyPreprocess: (
  golden: Golden,
  folder: string
) => Effect.Effect<ReadonlyArray<Row>, never, FileSystem.FileSystem | Path.Path | ImageDecoder> = Effect.fnUntraced(
  function* (golden, folder) {
    const { file } = golden
    let images: ReadonlyArray<Image> = []
    let size = 0
    let normalization: Normalization = { mean: [0, 0, 0], std: [1, 1, 1] }
    const header = guarded(file, "metadata", () => {
      size = golden.json("size", Schema.Int)
      images = golden.json("images", Schema.Array(Image))
      normalization = { mean: golden.json("mean", PerChannel), std: golden.json("std", PerChannel) }
      return images.length === 0 ? [failedRow(file, "metadata images", "expected at least one image, found none")] : []
    })
    const rows: Array<Row> = [...header]
    if (header.length > 0) return rows
    for (const image of images) {
      rows.push(
        ...yield* decodeRow(golden, folder, image).pipe(
          Effect.catchTags({
            ImageError: (error) => Effect.succeed([failedRow(file, `${image.file}/decoded`, error.message)]),
            PlatformError: (error) => Effect.succeed([failedRow(file, `${image.file}/decoded`, error.message)])
          })
        ),
        ...guarded(file, image.file, () => pixelRows(golden, image, size, normalization))
      )
    }
    const full = golden.names.flatMap((name) =>
      new RegExp(`^full${FULL}/(.+)/(?:sample14|mean)$`).exec(name)?.[1] ?? []
    )
    if (full.length === 0) rows.push(failedRow(file, `full${FULL}`, "expected a sample at full size, found none"))
    for (const name of new Set(full)) rows.push(...guarded(file, name, () => fullRows(golden, name, normalization)))
    return rows
  }
)
