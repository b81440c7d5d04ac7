import { Effect, FileSystem } from "effect"
import type { Path } from "effect"
import type { RgbImage } from "../api/sample.ts"
import { ImageDecoder } from "../image/decode.ts"
import { SampleError } from "./errors.ts"
import type { SampleErrorFields } from "./errors.ts"
import type { SampleLimits } from "./samples.ts"
import { shown } from "./shown.ts"

/** What reading pictures from files needs. */
export type PictureServices = FileSystem.FileSystem | Path.Path | ImageDecoder

/** Endings of files that are taken for pictures. */
export const PICTURE: RegExp = /\.(jpe?g|png|webp|gif)$/i

/** Where a sample stands, for its errors; `place` says it in words. */
export interface SamplePlace {
  readonly shard: string
  readonly key: string
  readonly place: string
  readonly row?: number
}

/** A SampleError whose message begins with the place. */
export const sampleError = (
  { place, ...where }: SamplePlace,
  facts: Omit<SampleErrorFields, "shard" | "key" | "row">
): SampleError => new SampleError({ ...where, ...facts, message: `${place}: ${facts.message}` })

/** Picture of a file, within the caps; anything that prevents it is a SampleError of the sample that names the file. */
export const readPicture = (
  where: SamplePlace,
  file: string,
  limits: SampleLimits
): Effect.Effect<RgbImage, SampleError, FileSystem.FileSystem | ImageDecoder> =>
  Effect.gen(function* () {
    const [fs, decoder] = [yield* FileSystem.FileSystem, yield* ImageDecoder]
    const unreadable = (error: { readonly message: string; readonly reason: { readonly _tag: string } }) => {
      const got = error.reason._tag === "NotFound" ? "no such file" : error.message
      const message = `expected a picture at ${shown(file)}, got ${got}: correct the path, or leave the sample out`
      return sampleError(where, { reason: "missingImage", member: file, message })
    }
    const { size, type } = yield* Effect.mapError(fs.stat(file), unreadable)
    if (type !== "File") {
      const message = `expected a picture at ${shown(file)}, got a ${type}: correct the path`
      return yield* sampleError(where, { reason: "missingImage", member: file, message })
    }
    if (size > limits.maxBytes) {
      const message = `expected a file of at most ${limits.maxBytes} bytes, ${shown(file)} has ${size}: raise the ` +
        "limit if the source is trusted, else leave the sample out"
      return yield* sampleError(where, { reason: "tooManyBytes", member: file, message })
    }
    const bytes = yield* Effect.mapError(fs.readFile(file), unreadable)
    return yield* Effect.mapError(decoder.decode(bytes, limits), ({ message, reason }) =>
      sampleError(where, { reason: "badImage", member: file, image: reason, message: `${shown(file)}: ${message}` }))
  })
