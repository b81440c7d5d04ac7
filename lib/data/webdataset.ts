import { Effect, Stream } from "effect"
import type { FileSystem, Path } from "effect"
import type { LabelledDataset } from "../api/dataset.ts"
import type { ImageLabel, ImageText } from "../api/sample.ts"
import { ImageDecoder } from "../image/decode.ts"
import type { ImageDecoderShape } from "../image/decode.ts"
import type { DecodeOptions } from "./badSamples.ts"
import { sampleWindows } from "./badSamples.ts"
import type { SampleError, ShardError } from "./errors.ts"
import { readSamples } from "./group.ts"
import type { RawSample } from "./group.ts"
import { findShards, readLinesBeside } from "./location.ts"
import { decodeImageLabel, decodeImageText, defaultSampleLimits, wantedMembers } from "./samples.ts"
import type { SampleLimits } from "./samples.ts"
import { windowsOf } from "./source.ts"
import type { SampleSource, ShardInfo, StoredDataset } from "./source.ts"

/** What reading shards needs. */
export type ShardServices = FileSystem.FileSystem | Path.Path | ImageDecoder

/** A data set of pairs in shards. */
export type WebDataset = StoredDataset<ImageText, ShardError, SampleError, ShardServices>

/** A data set of labelled pictures in shards. */
export type LabelledWebDataset =
  & StoredDataset<ImageLabel, ShardError, SampleError, ShardServices>
  & LabelledDataset<ImageLabel, ShardError | SampleError, ShardServices>

/** Settings of a data set in shards; every one has a default. */
export interface WebDatasetOptions extends DecodeOptions {
  /** Default: the source text. */
  readonly name?: string
  /** Samples in an epoch, where the caller knows. */
  readonly numSamples?: number
  readonly limits?: SampleLimits
}

type Decode<S> = (decoder: ImageDecoderShape) => (sample: RawSample) => Effect.Effect<S, SampleError>

const sourceOf = <S>(
  location: string,
  kind: "captions" | "labels",
  decode: Decode<S>,
  { limits = defaultSampleLimits, name = location }: WebDatasetOptions
): SampleSource<S, ShardError, SampleError, ShardServices> => {
  const wants = wantedMembers(kind, limits)
  return {
    name,
    shards: findShards(location),
    read: (shard) =>
      Stream.unwrap(Effect.map(ImageDecoder, (decoder) => {
        const decodeSample = decode(decoder)
        return Stream.map(readSamples(shard, wants), (raw) => ({ key: raw.key, decode: decodeSample(raw) }))
      }))
  }
}

/**
 * Pictures with captions in webdataset shards: a directory of `.tar` files, or a pattern (`expandBraces`). Nothing is
 * touched before `windows` runs, so `numSamples` is what the caller says; `openWebdataset` finds it out. Fails with
 * ShardError, and for a sample that cannot be used with SampleError unless the policy skips it.
 * Source: REFERENCE 5.3, DESIGN section 6.
 *
 * @example
 * ```ts
 * import { webdataset } from "diffclip"
 *
 * const pairs = webdataset("cc3m/{00000..00331}.tar", { numSamples: 2_300_000 })
 * console.log(pairs.name)
 * ```
 */
export const webdataset = (location: string, options: WebDatasetOptions = {}): WebDataset => {
  const { limits = defaultSampleLimits } = options
  const source = sourceOf(location, "captions", (decoder) => decodeImageText(limits, decoder), options)
  return windowsOf(source, sampleWindows(options), options.numSamples)
}

const sum = (shards: ReadonlyArray<ShardInfo>): number | undefined =>
  shards.reduce<number | undefined>(
    (total, { numSamples }) => total === undefined || numSamples === undefined ? undefined : total + numSamples,
    0
  )

/**
 * How many samples the shards hold: from `sizes.json` where it has every shard, else by one pass over the headers of
 * those that it lacks. Bad samples count too, since they keep their places.
 */
export const countSamples = (
  location: string
): Effect.Effect<number, ShardError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const shards = yield* findShards(location)
    const counted = yield* Effect.forEach(shards, (shard) =>
      shard.numSamples !== undefined ? Effect.succeed(shard.numSamples) : Stream.runFold(
        readSamples(shard, () =>
          false),
        () => 0,
        (count) => count + 1
      ))
    return counted.reduce((total, count) =>
      total + count, 0)
  })

/** `webdataset` with its number of samples: from `sizes.json`, else counted (`countSamples`), which takes one pass. */
export const openWebdataset = (
  location: string,
  options: WebDatasetOptions = {}
): Effect.Effect<WebDataset & { readonly numSamples: number }, ShardError, FileSystem.FileSystem | Path.Path> =>
  Effect.map(
    countSamples(location),
    (numSamples) => ({ ...webdataset(location, { ...options, numSamples }), numSamples })
  )

/**
 * Pictures with labels in shards: `.cls` members, with the classes in `classnames.txt` and the templates in
 * `templates.txt` beside the (first) shard, one a line. The two files are read at once; `numSamples` is there when
 * `sizes.json` knows it. Fails with ShardError, and later with SampleError as `webdataset` does.
 */
export const labelled = (
  location: string,
  options: WebDatasetOptions = {}
): Effect.Effect<LabelledWebDataset, ShardError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const { limits = defaultSampleLimits } = options
    const classNames = yield* readLinesBeside(location, "classnames.txt")
    const templates = yield* readLinesBeside(location, "templates.txt")
    const numSamples = options.numSamples ?? sum(yield* findShards(location))
    const decode: Decode<ImageLabel> = (decoder) => decodeImageLabel(limits, decoder, classNames.length)
    const dataset = windowsOf(sourceOf(location, "labels", decode, options), sampleWindows(options), numSamples)
    return { ...dataset, classNames, templates }
  })
