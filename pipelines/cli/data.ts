import { Config, Effect, FileSystem } from "effect"
import type { Path } from "effect"
import type { ImageLabel, ImageText, LabelledDataset } from "../../lib/api/index.ts"
import type {
  DataMissing,
  DecodeOptions,
  FolderError,
  PresetDataset,
  SampleError,
  ShardError,
  ShardServices,
  SizeError,
  TableError
} from "../../lib/data/index.ts"
import {
  captionTable,
  Dataset,
  imageFolder,
  labelled,
  labelledFolder,
  locateWebdataset,
  openWebdataset,
  shown,
  TABLE
} from "../../lib/data/index.ts"
import { type ConfigInvalid, invalid } from "../errors.ts"
import { presetNamed, presets } from "../presets.ts"
import { InputError } from "./errors.ts"
import { unreadable } from "./io.ts"

/** How reading pairs can fail, whatever they are stored in. */
export type PairsError = ShardError | SampleError | TableError | SizeError | DataMissing

/** How `--data` itself can fail. */
export type OpenDataError = ConfigInvalid | InputError | FolderError | PairsError

/** Pictures with captions that `--data` named. */
export type Pairs = Dataset<ImageText, PairsError, ShardServices>

/** Labelled pictures that `--data` named. */
export type Labels = LabelledDataset<ImageLabel, ShardError | SampleError, ShardServices>

/** A data set, and what it was taken for. */
export interface Opened<D> {
  readonly dataset: D
  readonly recognised: string
}

/** How `--data` is opened. `counted` counts the shards of presets too, whose number is nominal otherwise. */
export interface OpenOptions extends DecodeOptions {
  readonly presets?: "nominal" | "counted"
}

/** What `--data` takes, for help texts and for mistakes. */
export const dataForms: string =
  "a preset's name, a folder of .tar shards or a pattern such as dir/{00000..00009}.tar or its URL, a table (.csv, " +
  ".tsv, .jsonl, each also .gz, .parquet), or a folder of pictures with captions; several joined as A+B or 0.7*A+0.3*B"

const dataPresets = Object.keys(presets).filter((name) => presetNamed(name)?.dataset !== undefined)

const isShards = (location: string): boolean => /^https?:\/\//i.test(location) || /[{}]|::|\.tar$/.test(location)

type Counted = Pairs & { readonly numSamples: number }
type Services = FileSystem.FileSystem | Path.Path | ShardServices

const countedPreset = (preset: PresetDataset, options: OpenOptions): Effect.Effect<Counted, PairsError, Services> =>
  Effect.gen(function* () {
    yield* preset.check ?? Effect.void // says how to get the shards where nothing names them
    const location = yield* Effect.orDie(Config.NonEmptyString(preset.variable))
    return yield* openWebdataset(location, { ...options, name: preset.name })
  })

/** What stands at a path: `undefined` where there is nothing. */
const entriesOf = (
  location: string
): Effect.Effect<ReadonlyArray<string> | "file" | undefined, InputError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const failed = Effect.mapError(unreadable(location))
    // A long pattern is no path that could be asked for.
    const exists = isShards(location) ? Effect.orElseSucceed(fs.exists(location), () => false) : fs.exists(location)
    if (!(yield* failed(exists))) return undefined
    const { type } = yield* failed(fs.stat(location))
    return type === "Directory" ? yield* failed(fs.readDirectory(location)) : "file"
  })

/** Whether text that names shards is to be taken so: what is there under such a name is what it is. */
const isNamed = (location: string, entries: ReadonlyArray<string> | "file" | undefined): boolean =>
  entries === undefined || entries === "file" && location.endsWith(".tar")

const notData = (location: string, found: string): InputError =>
  new InputError({
    file: location,
    message: `${shown(location)} is ${found}: expected ${dataForms}. Presets: ${dataPresets.join(", ")}`
  })

const onePlace = (location: string, options: OpenOptions): Effect.Effect<Opened<Counted>, OpenDataError, Services> =>
  Effect.gen(function* () {
    const preset = presetNamed(location)?.dataset
    if (preset !== undefined) {
      const dataset: Counted = options.presets === "counted" ? yield* countedPreset(preset, options) : preset
      return { dataset, recognised: `the preset ${location}` }
    }
    const entries = yield* entriesOf(location)
    if (isShards(location) && isNamed(location, entries)) {
      return { dataset: yield* openWebdataset(location, options), recognised: "shards" }
    }
    if (entries === undefined) return yield* notData(location, "no file, no folder and no preset")
    if (entries === "file") {
      if (!TABLE.test(location)) return yield* notData(location, "a file of another kind")
      return { dataset: yield* captionTable(location, options), recognised: "a table of pairs" }
    }
    if (entries.some((name) => name.endsWith(".tar"))) {
      return { dataset: yield* openWebdataset(location, options), recognised: "a folder of shards" }
    }
    return { dataset: yield* imageFolder(location, options), recognised: "a folder of pictures with captions" }
  })

interface Term {
  readonly location: string
  readonly weight: number | undefined
}

/** The parts of `A+B` or `0.7*A+0.3*B`. A URL may hold a plus: there only `+http` and `+0.3*` begin a part. */
const termsOf = (text: string): ReadonlyArray<Term> => {
  const isUrl = /^(\d*\.?\d+\*)?https?:/i.test(text)
  return text.split(isUrl ? /\+(?=https?:|\d*\.?\d+\*)/i : "+").map((part) => {
    const [, weight, location] = /^(\d*\.?\d+)\*(.*)$/s.exec(part.trim()) ?? []
    return weight === undefined ?
      { location: part.trim(), weight: undefined } :
      { location: location ?? "", weight: Number(weight) }
  })
}

/**
 * The pairs that `--data` names (`dataForms`), and what they were taken for. Parts joined by `+` are one data set, each
 * sample once an epoch, or with weights a mixture whose epoch has as many samples as all of them. A path that is there
 * is taken as it stands, whatever it holds.
 */
export const openPairs = (
  text: string,
  options: OpenOptions = {}
): Effect.Effect<Opened<Pairs>, OpenDataError, Services> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const isThere = yield* Effect.mapError(fs.exists(text), unreadable(text))
    const terms = isThere ? [{ location: text, weight: undefined }] : termsOf(text)
    const [first] = terms
    if (first !== undefined && terms.length === 1 && first.weight === undefined) {
      if (isThere || !isShards(first.location)) return yield* onePlace(first.location, options)
      // A server's shards are not downloaded to be counted: alone, they need not say their number.
      return { dataset: yield* locateWebdataset(first.location, options), recognised: "shards" }
    }
    const weights = terms.flatMap(({ weight }) => weight ?? [])
    if (terms.some(({ location }) => location === "")) {
      return yield* invalid("data", `expected A+B or 0.7*A+0.3*B, found an empty part in ${shown(text)}`)
    }
    if (weights.length > 0 && weights.length < terms.length) {
      return yield* invalid("data", `expected a weight for each part or for none, found ${shown(text)}`)
    }
    if (weights.length > 0 && !weights.some((weight) => weight > 0)) {
      return yield* invalid("data", `expected a weight above 0, found ${shown(text)}`)
    }
    const parts = yield* Effect.forEach(terms, ({ location }) => onePlace(location, { ...options, presets: "counted" }))
    const empty = parts.find(({ dataset }) => dataset.numSamples === 0)
    if (empty !== undefined) {
      return yield* invalid("data", `expected samples in each part, found none in ${shown(empty.dataset.name)}`)
    }
    const datasets = parts.map(({ dataset }) => dataset)
    const dataset: Pairs = weights.length === 0 ?
      Dataset.concat(...datasets) :
      Dataset.mixture(datasets.map((part, i) => ({ dataset: part, weight: weights[i] ?? 0 })))
    const kind = weights.length === 0 ? "together" : "a mixture"
    return { dataset, recognised: `${kind}: ${parts.map(({ recognised }) => recognised).join(", ")}` }
  })

/**
 * The labelled pictures that `--data` names: shards with `.cls` members and `classnames.txt` and `templates.txt` beside
 * them, or a folder of class folders.
 */
export const openLabels = (
  location: string,
  options: DecodeOptions = {}
): Effect.Effect<Opened<Labels>, OpenDataError, Services> =>
  Effect.gen(function* () {
    const entries = yield* entriesOf(location)
    if (isShards(location) && isNamed(location, entries)) {
      return { dataset: yield* labelled(location, options), recognised: "shards with labels" }
    }
    if (entries !== undefined && entries !== "file") {
      return entries.some((name) => name.endsWith(".tar")) ?
        { dataset: yield* labelled(location, options), recognised: "a folder of shards with labels" } :
        { dataset: yield* labelledFolder(location, options), recognised: "a folder of class folders" }
    }
    const found = entries === undefined ? "not there" : "a file"
    const message =
      `${shown(location)} is ${found}: expected a folder of .tar shards with .cls members (or a pattern, ` +
      "or its URL), or a folder with a folder of pictures for each class"
    return yield* new InputError({ file: location, message })
  })
