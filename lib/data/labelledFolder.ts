import { Effect, Path } from "effect"
import type { FileSystem } from "effect"
import type { LabelledDataset } from "../api/dataset.ts"
import type { ImageLabel } from "../api/sample.ts"
import type { DecodeOptions } from "./badSamples.ts"
import { sampleWindows } from "./badSamples.ts"
import type { SampleError } from "./errors.ts"
import { FolderError } from "./errors.ts"
import { filesUnder, linesIn } from "./folderFiles.ts"
import { listedSource } from "./listed.ts"
import type { PictureServices } from "./pictureFile.ts"
import { PICTURE, readPicture } from "./pictureFile.ts"
import type { SampleLimits } from "./samples.ts"
import { defaultSampleLimits } from "./samples.ts"
import { shown } from "./shown.ts"
import type { StoredDataset } from "./source.ts"
import { windowsOf } from "./source.ts"

/** Settings of a folder of class folders; every one has a default. */
export interface LabelledFolderOptions extends DecodeOptions {
  /** Default: the folder as it was named. */
  readonly name?: string
  /** Default: the lines of `classnames.txt`, else the names of the class folders, `_` as a space. */
  readonly classNames?: ReadonlyArray<string>
  /** Default: the lines of `templates.txt`, else `a photo of a {}.` */
  readonly templates?: ReadonlyArray<string>
  readonly limits?: SampleLimits
}

/** Labelled pictures of a folder, with their number. */
export type LabelledFolder =
  & StoredDataset<ImageLabel, never, SampleError, PictureServices>
  & LabelledDataset<ImageLabel, SampleError, PictureServices>
  & { readonly numSamples: number }

interface Listed {
  readonly key: string
  readonly label: number
}

const classOf = (file: string): string => file.slice(0, file.indexOf("/"))

/** In the order of their labels: by number where all are numbers (`10` after `2`, as ImageNet-V2 needs), else by name. */
const sortClasses = (folders: ReadonlyArray<string>): ReadonlyArray<string> =>
  folders.every((name) => /^\d{1,9}$/.test(name)) ?
    folders.toSorted((a, b) => Number(a) - Number(b)) :
    folders.toSorted((a, b) => a < b ? -1 : 1)

/**
 * Pictures in class folders, `folder/CLASS/…/picture`, for zero-shot classification. Labels are the places of the class
 * folders sorted by name, or by number where every name is one. `classnames.txt` in the folder gives the words for the
 * classes in that order and `templates.txt` the templates, one a line. Pictures come sorted by class and path; the
 * fingerprint is one of the paths. Fails with FolderError: `missing`, `io`, `classes`, `names`, and later with
 * SampleError for a picture that cannot be read, unless the policy skips it. Source: REFERENCE 6.1.
 */
export const labelledFolder = (
  folder: string,
  options: LabelledFolderOptions = {}
): Effect.Effect<LabelledFolder, FolderError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const { limits = defaultSampleLimits, name = folder } = options
    const files = (yield* filesUnder(folder)).filter((file) => file.includes("/") && PICTURE.test(file))
    const folders = sortClasses([...new Set(files.map(classOf))])
    if (folders.length === 0) {
      const message =
        `expected folders of pictures in ${shown(folder)}, one for each class, got none: name the folder ` +
        "above the class folders"
      return yield* new FolderError({ folder, reason: "classes", message })
    }
    const words = options.classNames ?? (yield* linesIn(folder, "classnames.txt"))
    if (words !== undefined && words.length !== folders.length) {
      const message = `expected a name for each of the ${folders.length} class folders of ${shown(folder)} ` +
        `(${shown(folders.slice(0, 3).join(", "))}, …), got ${words.length} names: correct classnames.txt`
      return yield* new FolderError({ folder, reason: "names", message })
    }
    const classNames = words ?? folders.map((name) => name.replaceAll("_", " "))
    const templates = options.templates ?? (yield* linesIn(folder, "templates.txt")) ?? ["a photo of a {}."]
    const labels = new Map(folders.map((name, label) => [name, label]))
    const items = files
      .map((key): Listed => ({ key, label: labels.get(classOf(key)) ?? -1 }))
      .toSorted((a, b) => a.label - b.label)
    const source = listedSource(name, items, ({ key, label }) => {
      const where = { shard: folder, key, place: `picture ${shown(key)} of ${shown(folder)}` }
      const decode = Effect.map(
        readPicture(where, path.join(folder, key), limits),
        (image): ImageLabel => ({ key, image, label })
      )
      return { key, decode }
    })
    const dataset = windowsOf<ImageLabel, never, SampleError, PictureServices>(
      source,
      sampleWindows(options),
      items.length
    )
    return { ...dataset, numSamples: items.length, classNames, templates }
  })
