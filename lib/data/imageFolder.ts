import { Effect, FileSystem, Path, Stream } from "effect"
import type { ImageText } from "../api/sample.ts"
import { sampleWindows } from "./badSamples.ts"
import type { CaptionTable, CaptionTableOptions } from "./captionTable.ts"
import { captionTable, openTable } from "./captionTable.ts"
import { FolderError } from "./errors.ts"
import type { SampleError, TableError } from "./errors.ts"
import { filesUnder, folderFileError } from "./folderFiles.ts"
import { listedSource } from "./listed.ts"
import type { PictureServices } from "./pictureFile.ts"
import { PICTURE, readPicture, sampleError } from "./pictureFile.ts"
import type { RowFormat } from "./rows.ts"
import { defaultSampleLimits } from "./samples.ts"
import type { SampleLimits } from "./samples.ts"
import { shown } from "./shown.ts"
import { windowsOf } from "./source.ts"
import { tableFileError } from "./tableBytes.ts"

/** Settings of a folder of pictures; those of a table hold for the file of captions in it. */
export interface ImageFolderOptions extends Omit<CaptionTableOptions, "imageRoot"> {
  /** The file of captions in the folder, where it has another name or there are several. */
  readonly captions?: string
}

/** Names of files of captions that are looked for in a folder, in this order. */
export const captionFiles: ReadonlyArray<string> = [
  ...["captions.tsv", "captions.csv", "captions.jsonl", "captions.parquet", "captions.txt"],
  ...["metadata.jsonl", "metadata.csv", "metadata.parquet"]
]

const SNIFFED = 65_536

/** `captions.txt`: a name, a separator, and the rest of the line. */
const pairLines = (file: string): Effect.Effect<RowFormat, TableError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const head = yield* Effect.mapError(
      Stream.mkUint8Array(fs.stream(file, { bytesToRead: SNIFFED })),
      tableFileError(file)
    )
    const first = new TextDecoder().decode(head).split("\n").find((line) => line.trim() !== "") ?? ""
    const separator = first.includes("\t") ? "\t" : ","
    return { kind: "fields", dialect: { separator, ends: "lines", fields: "rest" } }
  })

const fromTable = (
  folder: string,
  file: string,
  options: ImageFolderOptions
): Effect.Effect<CaptionTable, TableError, FileSystem.FileSystem | Path.Path> => {
  const settings = { samePicture: "join", name: folder, ...options, imageRoot: folder } as const
  if (!file.endsWith(".txt")) return captionTable(file, settings)
  return Effect.flatMap(pairLines(file), (format) => openTable(file, format, settings))
}

interface Listed {
  readonly key: string
  /** The file of its captions, in the folder. */
  readonly text: string
  readonly hasText: boolean
}

const readCaptions = (where: Parameters<typeof sampleError>[0], file: string, limits: SampleLimits) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const unreadable = (error: { readonly message: string }) =>
      sampleError(where, { reason: "missingCaption", member: file, message: `${error.message}: check the file` })
    const { size } = yield* Effect.mapError(fs.stat(file), unreadable)
    if (size > limits.maxTextBytes) {
      const message = `expected at most ${limits.maxTextBytes} bytes of captions, ${shown(file)} has ${size}`
      return yield* sampleError(where, { reason: "tooManyBytes", member: file, message })
    }
    const bytes = yield* Effect.mapError(fs.readFile(file), unreadable)
    const text = yield* Effect.try({
      try: () => new TextDecoder("utf-8", { fatal: true }).decode(bytes),
      catch: () => {
        const message = `expected UTF-8 text in ${shown(file)}, got other bytes: encode it again`
        return sampleError(where, { reason: "badCaption", member: file, message })
      }
    })
    const captions = text.split(/\r\n|\n|\r/).filter((caption) => caption.trim() !== "")
    if (captions.length > 0) return captions
    const message = `expected a caption a line in ${shown(file)}, got nothing but blanks: add one`
    return yield* sampleError(where, { reason: "missingCaption", member: file, message })
  })

/** Pictures with a `.txt` of the same stem beside each. */
const besidePictures = (
  folder: string,
  items: ReadonlyArray<Listed>,
  options: ImageFolderOptions,
  path: Path.Path
): CaptionTable => {
  const { limits = defaultSampleLimits, name = folder } = options
  const source = listedSource(name, items, ({ hasText, key, text }) => {
    const where = { shard: folder, key, place: `picture ${shown(key)} of ${shown(folder)}` }
    const decode: Effect.Effect<ImageText, SampleError, PictureServices> = Effect.gen(function* () {
      if (!hasText) {
        const message = `expected its captions in ${shown(text)}, got no such file: add it, or leave the picture out`
        return yield* sampleError(where, { reason: "missingCaption", member: text, message })
      }
      const captions = yield* readCaptions(where, path.join(folder, text), limits)
      return { key, image: yield* readPicture(where, path.join(folder, key), limits), captions }
    })
    return { key, decode }
  })
  const dataset = windowsOf<ImageText, TableError, SampleError, PictureServices>(
    source,
    sampleWindows(options),
    items.length
  )
  return { ...dataset, numSamples: items.length }
}

const nothing = (folder: string, numPictures: number, classes: ReadonlyArray<string>): FolderError => {
  const looksLabelled = numPictures > 0 && classes.length > 1 ?
    ` It has ${classes.length} folders with pictures: if those are classes, labelledFolder (zero-shot) reads it.` :
    ""
  const message = `expected captions in ${shown(folder)}: one of ${captionFiles.join(", ")}, or a .txt beside each ` +
    `picture; got neither among ${numPictures} pictures.${looksLabelled} Write captions.tsv with a line ` +
    "NAME<tab>CAPTION for each picture, or name another file with captions"
  return new FolderError({ folder, reason: "captions", message })
}

/**
 * A folder of pictures with captions. A file of captions in it is read as `captionTable` reads it, with paths relative
 * to the folder: `captions.tsv`, `.csv`, `.jsonl`, `.parquet`, `captions.txt` (`name<tab>caption` or `name,caption` a
 * line, commas in the caption as they are) or `metadata.jsonl`, `.csv`, `.parquet` (`file_name`, `text`, as Hugging Face
 * has it). Rows one after the other with the same picture are one sample of several captions, unless `samePicture` says
 * otherwise. Without such a file the pictures are those in the folder and below that have a `.txt` beside them, a caption
 * a line (the layout `files` of img2dataset), sorted by path; then the fingerprint is one of the names alone.
 * Fails with FolderError, TableError, and SampleError as `captionTable`. Source: REFERENCE 5.2, 6.2.
 *
 * @example
 * ```ts
 * import { diffClip, imageFolder, Pipeline } from "diffclip"
 * import { live } from "diffclip/node"
 * import { Effect } from "effect"
 *
 * const program = imageFolder("photos").pipe( // photos/captions.tsv, photos/cat.jpg, …
 *   Effect.flatMap((pairs) => Pipeline.train(diffClip, pairs, { batchSize: 32 })),
 *   Effect.scoped,
 *   Effect.provide(live({ dir: "runs/photos" }))
 * )
 * await Effect.runPromise(program)
 * ```
 */
export const imageFolder = (
  folder: string,
  options: ImageFolderOptions = {}
): Effect.Effect<CaptionTable, FolderError | TableError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
    if (options.captions !== undefined) {
      return yield* fromTable(folder, path.join(folder, options.captions), options)
    }
    const names = yield* Effect.mapError(fs.readDirectory(folder), folderFileError(folder))
    const [found, second] = captionFiles.filter((name) => names.includes(name))
    if (found !== undefined && second === undefined) {
      return yield* fromTable(folder, path.join(folder, found), options)
    }
    if (found !== undefined && second !== undefined) {
      const message = `expected one file of captions in ${shown(folder)}, got ${found} and ${second}: name one with ` +
        `captions, or remove the other`
      return yield* new FolderError({ folder, reason: "captions", message })
    }
    const files = yield* filesUnder(folder)
    const texts = new Set(files.filter((name) => name.endsWith(".txt")))
    const items = files.filter((name) => PICTURE.test(name)).map((key): Listed => {
      const text = key.replace(PICTURE, ".txt")
      return { key, text, hasText: texts.has(text) }
    })
    if (items.some(({ hasText }) => hasText)) return besidePictures(folder, items, options, path)
    const classes = new Set(items.flatMap(({ key }) => key.includes("/") ? [key.slice(0, key.indexOf("/"))] : []))
    return yield* nothing(folder, items.length, [...classes])
  })
