import { Effect, FileSystem, Path } from "effect"
import type { RgbImage } from "../../lib/api/index.ts"
import { PICTURE } from "../../lib/data/index.ts"
import { ImageDecoder } from "../../lib/image/index.ts"
import { InputError } from "./errors.ts"
import { unreadable } from "./io.ts"

/** The pictures of a directory, sorted by name, or the one picture that is named. Full paths. */
export const pictureFiles = (
  location: string
): Effect.Effect<ReadonlyArray<string>, InputError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const { type } = yield* Effect.mapError(fs.stat(location), unreadable(location))
    if (type !== "Directory") return [location]
    const names = (yield* Effect.mapError(fs.readDirectory(location), unreadable(location))).filter((name) =>
      PICTURE.test(name)
    )
    if (names.length > 0) return names.toSorted((a, b) => (a < b ? -1 : 1)).map((name) => path.join(location, name))
    return yield* new InputError({
      file: location,
      message: `${location}: expected pictures (jpg, png, webp, gif), found none`
    })
  })

/** A picture file, decoded. */
export const readPicture = (
  file: string
): Effect.Effect<RgbImage, InputError, FileSystem.FileSystem | ImageDecoder> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const decoder = yield* ImageDecoder
    const bytes = yield* Effect.mapError(fs.readFile(file), unreadable(file))
    return yield* Effect.mapError(
      decoder.decode(bytes),
      ({ message }) => new InputError({ file, message: `${file}: ${message}` })
    )
  })
