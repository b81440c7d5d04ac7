import { Effect, FileSystem, Path, Stream } from "effect"
import type { Dataset, LabelledDataset } from "../api/dataset.ts"
import type { ImageLabel, ImageText, RgbImage } from "../api/sample.ts"
import { ImageDecoder } from "../image/decode.ts"
import type { ImageError } from "../image/errors.ts"
import { readImageHeader } from "../image/header.ts"
import { FolderError } from "./errors.ts"
import type { ShardError } from "./errors.ts"
import { folderFileError } from "./folderFiles.ts"
import type { ShardManifest, StoredSample } from "./shards.ts"
import { checkPerShard, writeShards } from "./shards.ts"
import { shown } from "./shown.ts"

/** How a data set is packed. */
export interface PackOptions {
  /** For pictures whose file is not known: `encodePng` of `diffclip/node`. */
  readonly encodePng: (image: RgbImage) => Effect.Effect<Uint8Array, ImageError>
  /** A whole number above 0. Default 1000. */
  readonly samplesPerShard?: number
}

/** What was packed, as `manifest.json` has it. */
export interface PackManifest extends ShardManifest {
  readonly name: string
  readonly kind: "captions" | "labels"
  /** Pictures whose file was kept, byte for byte, and those that were encoded again. */
  readonly numKept: number
  readonly numEncoded: number
  readonly numCaptions: number
}

interface File {
  readonly extension: string
  readonly bytes: Uint8Array
}

/** Samples that are read ahead of those being written. */
const WINDOW = 64
const DIGITS = 9

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

const EXTENSIONS: Readonly<Record<string, string>> = { png: "png", jpeg: "jpg", webp: "webp", gif: "gif" }

/**
 * A decoder that remembers which file each of its pictures came from, for as long as the picture lives. So the files of
 * a data set are known wherever they came from, and a picture that a combinator changed is another picture.
 */
const remembering = Effect.map(ImageDecoder, (decoder) => {
  const files = new WeakMap<RgbImage, File>()
  const decode: typeof decoder.decode = (bytes, limits) =>
    Effect.map(decoder.decode(bytes, limits), (image) => {
      const header = readImageHeader(bytes)
      const extension = "problem" in header ? undefined : EXTENSIONS[header.format]
      if (extension !== undefined) files.set(image, { extension, bytes })
      return image
    })
  return { files, decoder: { decode } }
})

/** Lines of `.txt`, unless a caption has line ends of its own: then a list in `.json`. */
const captionMember = (captions: ReadonlyArray<string>): Readonly<Record<string, Uint8Array>> =>
  captions.every((caption) => !/[\r\n]/.test(caption) && caption.trim() !== "") ?
    { txt: text(captions.join("\n")) } :
    { json: text(JSON.stringify({ captions })) }

/** A folder that is not there yet, or is empty. */
const checkTarget = (directory: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    if (!(yield* fs.exists(directory))) return
    const names = yield* fs.readDirectory(directory)
    if (names.length === 0) return yield* fs.remove(directory)
    const message = `expected ${shown(directory)} to be new or empty, got ${names.length} files such as ` +
      `${shown(names[0] ?? "")}: name another folder`
    return yield* new FolderError({ folder: directory, reason: "io", message })
  }).pipe(
    Effect.mapError((error) => error._tag === "FolderError" ? error : folderFileError(directory)(error))
  )

/** Makes the folder that is written into. One that is there may be another run's, or hold what somebody keeps. */
const makePartial = (partial: string) =>
  Effect.gen(function* () {
    const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
    yield* fs.makeDirectory(path.dirname(partial), { recursive: true })
    yield* fs.makeDirectory(partial)
  }).pipe(
    Effect.mapError((error) => {
      if (error.reason._tag !== "AlreadyExists") return folderFileError(partial)(error)
      const message = `expected ${shown(partial)} not to be there, since it is written first: remove it if nothing ` +
        "is being packed into it, or name another folder"
      return new FolderError({ folder: partial, reason: "io", message })
    })
  )

const isLabelled = <E, R>(
  dataset: Dataset<ImageText | ImageLabel, E, R>
): dataset is LabelledDataset<ImageLabel, E, R> => "classNames" in dataset && "templates" in dataset

/**
 * Writes a data set, in stored order, as webdataset shards that this library reads at once: pictures as the files that
 * they were read from (no second JPEG), else as PNG; captions as `.txt` or a `.json` list; labels as `.cls` with
 * `classnames.txt` and `templates.txt`; then `sizes.json` and `manifest.json`. Keys are the places, nine digits. All is
 * written into `directory + ".partial"` and renamed at the end, so that nothing half-written has the name; what fails or
 * is interrupted leaves nothing; a `.partial` that is there is refused, not removed. Bad samples are what the data set's policy says. Fails with FolderError for a directory
 * that holds something, with ShardError (`empty`, `io`), with ImageError where encoding fails, and as the data set does.
 */
export const packDataset = <E, R>(
  dataset: Dataset<ImageText | ImageLabel, E, R>,
  directory: string,
  { encodePng, samplesPerShard = 1000 }: PackOptions
): Effect.Effect<
  PackManifest,
  E | FolderError | ShardError | ImageError,
  Exclude<R, ImageDecoder> | ImageDecoder | FileSystem.FileSystem | Path.Path
> => {
  checkPerShard(samplesPerShard)
  return Effect.gen(function* () {
    const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
    const { decoder, files } = yield* remembering
    const partial = `${directory.replace(/[/\\]+$/, "")}.partial`
    const failed = Effect.mapError(folderFileError(directory))
    let [numKept, numEncoded, numCaptions, place] = [0, 0, 0, 0]
    const stored = (sample: ImageText | ImageLabel): Effect.Effect<StoredSample, ImageError> =>
      Effect.gen(function* () {
        const file = files.get(sample.image)
        const { bytes, extension } = file ?? { bytes: yield* encodePng(sample.image), extension: "png" }
        if (file === undefined) numEncoded++
        else numKept++
        if ("captions" in sample) numCaptions += sample.captions.length
        const about = "captions" in sample ? captionMember(sample.captions) : { cls: text(`${sample.label}`) }
        const key = String(place++).padStart(DIGITS, "0")
        return { key, members: { [extension]: bytes, ...about } }
      })
    const samples = dataset.windows(
      { seed: 0, windowSize: WINDOW, order: "sequential" },
      { epoch: 0, delivered: 0 }
    ).pipe(
      Stream.provideService(ImageDecoder, ImageDecoder.of(decoder)),
      Stream.flatMap((window) => Stream.fromIterable(window)),
      Stream.mapEffect(stored)
    )
    yield* checkTarget(directory)
    yield* makePartial(partial)
    const writeText = (name: string, value: string) => failed(fs.writeFileString(path.join(partial, name), value))
    const write = Effect.gen(function* () {
      const written = yield* writeShards(partial, samples, { samplesPerShard })
      const kind = isLabelled(dataset) ? "labels" : "captions"
      if (isLabelled(dataset)) {
        yield* writeText("classnames.txt", `${dataset.classNames.join("\n")}\n`)
        yield* writeText("templates.txt", `${dataset.templates.join("\n")}\n`)
      }
      const { numSamples, shards } = written
      const about = { name: dataset.name, kind, numSamples, numCaptions, numKept, numEncoded, shards } as const
      yield* writeText("manifest.json", `${JSON.stringify(about, null, 1)}\n`)
      yield* failed(fs.rename(partial, directory))
      return { ...about, directory }
    })
    return yield* Effect.onError(
      write,
      () => Effect.ignore(fs.remove(partial, { recursive: true, force: true }))
    )
  })
}
