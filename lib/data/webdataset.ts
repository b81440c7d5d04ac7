import { Effect, Stream } from "effect"
import type { FileSystem, Path } from "effect"
import type { LabelledDataset } from "../api/dataset.ts"
import type { ImageLabel, ImageText } from "../api/sample.ts"
import { ImageDecoder } from "../image/decode.ts"
import type { ImageDecoderShape } from "../image/decode.ts"
import type { DecodeOptions } from "./badSamples.ts"
import { sampleWindows } from "./badSamples.ts"
import type { SampleError } from "./errors.ts"
import { ShardError } from "./errors.ts"
import { readSamples } from "./group.ts"
import type { RawSample } from "./group.ts"
import { identityAt } from "./httpDownload.ts"
import type { HttpOptions } from "./httpOptions.ts"
import { isHttpUrl, shownLocation } from "./httpUrl.ts"
import { findShards, readLinesBeside } from "./location.ts"
import { decodeImageLabel, decodeImageText, defaultSampleLimits, wantedMembers } from "./samples.ts"
import type { SampleLimits } from "./samples.ts"
import { downloadError } from "./shardFile.ts"
import { lengthBeside, sumOfSizes } from "./sizes.ts"
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
  /** Default: the source text, without the secrets of URLs. */
  readonly name?: string
  /** Samples in an epoch, where the caller knows. */
  readonly numSamples?: number
  readonly limits?: SampleLimits
  /** How shards of servers are read: headers such as `Authorization`, waits, caps. */
  readonly http?: HttpOptions
}

type Decode<S> = (decoder: ImageDecoderShape) => (sample: RawSample) => Effect.Effect<S, SampleError>

/** Tag and length of the first shard, where it is a server's: one request for the head of a file. */
const stampOf = (first: ShardInfo | undefined, http: HttpOptions): Effect.Effect<string, ShardError> =>
  first === undefined || !isHttpUrl(first.path) ? Effect.succeed("") : Effect.mapBoth(identityAt(first.path, http), {
    onSuccess: ({ etag, length }) => JSON.stringify([etag ?? null, length ?? null]),
    onFailure: downloadError
  })

const sourceOf = <S>(
  location: string,
  kind: "captions" | "labels",
  decode: Decode<S>,
  { http = {}, limits = defaultSampleLimits, name = shownLocation(location) }: WebDatasetOptions
): SampleSource<S, ShardError, SampleError, ShardServices> => {
  const wants = wantedMembers(kind, limits)
  return {
    name,
    shards: findShards(location, http),
    stamp: Effect.flatMap(findShards(location, http), ([first]) => stampOf(first, http)),
    read: (shard) =>
      Stream.unwrap(Effect.map(ImageDecoder, (decoder) => {
        const decodeSample = decode(decoder)
        return Stream.map(readSamples(shard, wants, http), (raw) => ({ key: raw.key, decode: decodeSample(raw) }))
      }))
  }
}

/**
 * Pictures with captions in webdataset shards: a directory of `.tar` files, or a pattern (`expandBraces`) of paths or of
 * http(s) URLs, which are streamed (`readUrl`). Nothing is touched before `windows` runs, so `numSamples` is what the
 * caller says; `openWebdataset` finds it out. Fails with ShardError, and for a sample that cannot be used with
 * SampleError unless the policy skips it.
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

/**
 * How many samples the shards hold: from `sizes.json` or img2dataset's `*_stats.json` where they have every shard, else
 * from `__len__` (`lengthBeside`), else by one pass over the headers of the shards that are not known; of a server's
 * shards that is one download of each. Bad samples count too, since they keep their places.
 */
export const countSamples = (
  location: string,
  http: HttpOptions = {}
): Effect.Effect<number, ShardError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const shards = yield* findShards(location, http)
    const known = sumOfSizes(shards) ?? (yield* lengthBeside(shards))
    if (known !== undefined) return known
    const counted = yield* Effect.forEach(shards, (shard) => {
      if (shard.numSamples !== undefined) return Effect.succeed(shard.numSamples)
      return Stream.runCount(readSamples(shard, () => false, http))
    })
    return counted.reduce((total, count) => total + count, 0)
  })

/**
 * `webdataset` with its number of samples where that is known: what the options say, else as `countSamples` finds it.
 * Shards of servers are not downloaded to be counted: without `sizes.json` beside them the number is absent.
 */
export const locateWebdataset = (
  location: string,
  options: WebDatasetOptions = {}
): Effect.Effect<WebDataset, ShardError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    if (options.numSamples !== undefined) return webdataset(location, options)
    const { http = {} } = options
    const shards = yield* findShards(location, http)
    const isRemote = shards.some(({ path }) => isHttpUrl(path))
    const numSamples = isRemote ? sumOfSizes(shards) : yield* countSamples(location, http)
    return webdataset(location, numSamples === undefined ? options : { ...options, numSamples })
  })

/**
 * `webdataset` with its number of samples (`locateWebdataset`), which takes one pass over local shards where no file says
 * it. Fails with ShardError `sizes` where it is not known.
 */
export const openWebdataset = (
  location: string,
  options: WebDatasetOptions = {}
): Effect.Effect<WebDataset & { readonly numSamples: number }, ShardError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const dataset = yield* locateWebdataset(location, options)
    const { numSamples } = dataset
    if (numSamples !== undefined) return { ...dataset, numSamples }
    const shard = shownLocation(location)
    const message = `expected sizes.json beside every shard of ${JSON.stringify(shard)}, got none for some: give ` +
      "numSamples, or put the file there; shards of a server are not downloaded to be counted"
    return yield* Effect.fail(new ShardError({ shard, reason: "sizes", message }))
  })

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
    const { http = {}, limits = defaultSampleLimits } = options
    const classNames = yield* readLinesBeside(location, "classnames.txt", http)
    const templates = yield* readLinesBeside(location, "templates.txt", http)
    const numSamples = options.numSamples ?? sumOfSizes(yield* findShards(location, http))
    const decode: Decode<ImageLabel> = (decoder) => decodeImageLabel(limits, decoder, classNames.length)
    const dataset = windowsOf(sourceOf(location, "labels", decode, options), sampleWindows(options), numSamples)
    return { ...dataset, classNames, templates }
  })
