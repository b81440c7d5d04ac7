import { Effect, Stream } from "effect"
import type { Dataset, LabelledDataset } from "../api/dataset.ts"
import { largestRemainder } from "./apportion.ts"
import { blend } from "./blend.ts"
import type { SizeError } from "./errors.ts"
import type { ShardInfo, StoredDataset } from "./source.ts"
import { shown } from "./shown.ts"
import { windowsOf } from "./source.ts"

/** Any data set, for bounds. */
export type AnyDataset = Dataset<unknown, unknown, unknown>

/** What a data set yields. */
export type SampleIn<D> = D extends Dataset<infer S, unknown, unknown> ? S : never
/** How a data set fails. */
export type ErrorIn<D> = D extends Dataset<unknown, infer E, unknown> ? E : never
/** What a data set needs. */
export type ServicesIn<D> = D extends Dataset<unknown, unknown, infer R> ? R : never

type Labels<D> = D extends Pick<LabelledDataset<unknown>, "classNames" | "templates"> ?
  { readonly classNames: ReadonlyArray<string>; readonly templates: ReadonlyArray<string> } :
  unknown
type Places<D> = D extends { readonly numPlaces: infer P extends number | "unknown" } ? { readonly numPlaces: P } :
  D extends { readonly numSamples: number } ? { readonly numPlaces: number } :
  { readonly numPlaces: number | "unknown" }
type Counted<D> = D extends { readonly numSamples: number } ? { readonly numSamples: number } : unknown
// Inferred, not `unknown`: what handles bad samples also takes them, so their type cannot be widened.
type Stored<D, T> = D extends StoredDataset<infer _S, infer E, infer B, infer R> ? StoredDataset<T, E, B, R> : unknown

/** A data set with other samples in the same places: it keeps its labels, its number, and its source where it has one. */
export type Mapped<D, T> = Dataset<T, ErrorIn<D>, ServicesIn<D>> & Stored<D, T> & Labels<D> & Counted<D>

/** A data set without some of its samples; how many are left is not known unless the caller says. */
export type Filtered<D> = Dataset<SampleIn<D>, ErrorIn<D>, ServicesIn<D>> & Labels<D>

/** Compiles for a data set that knows its source; otherwise the property's name is the compiler's message. */
export type FitsTake<D> = D extends StoredDataset<infer _S, infer _E, infer _B, infer _R> ? unknown :
  { readonly "take needs a data set that knows its source: take before filter, concat and mixture": D }

/** Compiles for a data set that says how many samples it has; otherwise the property's name is the compiler's message. */
export type FitsBlend<D> = D extends { readonly numPlaces: infer P } ?
  [P] extends [number] ? D extends { readonly numSamples: number } ? unknown : Unsaid<D> :
  { readonly "nothing says how many samples this data set had before filter: filter after mixing": D } :
  D extends { readonly numSamples: number } ? unknown :
  Unsaid<D>

type Unsaid<D> = {
  readonly "this data set does not say how many samples it has: use openWebdataset, or give numSamples": D
}

type AnyStored = StoredDataset<unknown, unknown, unknown, unknown>

const isStored = (dataset: AnyDataset): dataset is AnyStored => "source" in dataset && "options" in dataset

/**
 * The data set with a pure function on each of its samples. Order, windows, number, fingerprint and labels stay; a data
 * set that knows its source still does. `f` must not throw: what it throws is a defect.
 */
export function map<D extends AnyDataset, T>(dataset: D, f: (sample: SampleIn<D>) => T): Mapped<D, T>
export function map(dataset: AnyDataset, f: (sample: unknown) => unknown): AnyDataset {
  if (!isStored(dataset)) {
    const windows: AnyDataset["windows"] = (plan, from) =>
      Stream.map(dataset.windows(plan, from), (window) => window.map((sample) => f(sample)))
    return { ...dataset, windows }
  }
  const { options, source } = dataset
  const read: AnyStored["source"]["read"] = (shard) =>
    Stream.map(source.read(shard), ({ decode, key }) => ({ key, decode: Effect.map(decode, (sample) => f(sample)) }))
  return { ...dataset, ...windowsOf({ ...source, read }, options, dataset.numSamples) }
}

/**
 * The samples that a pure predicate accepts. Those that it refuses keep their places, as bad samples that are left out
 * do: windows are shorter, all else stays. `numSamples` is what the caller says is left; without it the length of a run
 * must be given in steps. Filter after mixing, or say the number: a data set that does not say it cannot be mixed, and
 * one that does is mixed by its places, those of the samples left out included.
 */
export function filter<D extends AnyDataset>(
  dataset: D,
  accepts: (sample: SampleIn<D>) => boolean,
  options: { readonly numSamples: number }
): Filtered<D> & { readonly numSamples: number } & Places<D>
export function filter<D extends AnyDataset>(dataset: D, accepts: (sample: SampleIn<D>) => boolean): Filtered<D>
export function filter(
  dataset: AnyDataset,
  accepts: (sample: unknown) => boolean,
  options?: { readonly numSamples: number }
): AnyDataset {
  const { numSamples: all, ...rest } = isStored(dataset) ? withoutSource(dataset) : dataset
  const numPlaces = dataset.numPlaces ?? all ?? "unknown"
  const windows: AnyDataset["windows"] = (plan, from) =>
    Stream.map(dataset.windows(plan, from), (window) => window.filter((sample) => accepts(sample)))
  return { ...rest, ...options, numPlaces, windows }
}

/** What reads the source itself (`cached`, `take`) would read past a filter. */
const withoutSource = ({ options: _options, source: _source, ...rest }: AnyStored): AnyDataset => rest

/**
 * The first `numSamples` samples in stored order, the same in every epoch, shuffled as a data set of its own. Shards
 * whose sizes are not known are counted by reading them, as far as they are needed. Only for data sets that know their
 * source.
 */
export function take<D extends AnyDataset>(dataset: D & FitsTake<D>, numSamples: number): Mapped<D, SampleIn<D>>
export function take(dataset: AnyStored, numSamples: number): AnyDataset {
  if (!Number.isSafeInteger(numSamples) || numSamples < 0) {
    throw new RangeError(`expected a whole number of samples to take, got ${numSamples}`)
  }
  const { options, source } = dataset
  const name = `take(${numSamples}, ${dataset.name})`
  const originals = new Map<string, ShardInfo>()
  const counts = new Map<string, number>()
  const sizeOf = (shard: ShardInfo) =>
    Effect.gen(function* () {
      const known = shard.numSamples ?? counts.get(shard.path)
      if (known !== undefined) return known
      const count = yield* Stream.runFold(source.read(shard), () => 0, (n) => n + 1)
      counts.set(shard.path, count)
      return count
    })
  const shards = Effect.gen(function* () {
    const taken: Array<ShardInfo> = []
    let left = numSamples
    for (const shard of yield* source.shards) {
      if (left === 0) break
      const size = Math.min(left, yield* sizeOf(shard))
      originals.set(shard.path, shard)
      taken.push({ path: shard.path, numSamples: size })
      left -= size
    }
    return taken
  })
  const read: AnyStored["source"]["read"] = (shard) =>
    Stream.take(source.read(originals.get(shard.path) ?? shard), shard.numSamples ?? 0)
  const known = dataset.numSamples === undefined ? undefined : Math.min(numSamples, dataset.numSamples)
  return { ...dataset, ...windowsOf({ name, shards, read }, options, known) }
}

/** The places of a part's epoch. Throws RangeError where a filter has left them unsaid. */
const placesOf = ({ name, numPlaces, numSamples }: AnyDataset): number => {
  if (numPlaces !== "unknown") return numPlaces ?? numSamples ?? 0
  throw new RangeError(`nothing says how many samples ${shown(name)} had before filter: filter after mixing`)
}

/**
 * All samples of all data sets, each once an epoch. The stored order is one after the other; shuffled epochs take from
 * all of them evenly. See `blend` for what is kept.
 */
export function concat<const D extends ReadonlyArray<AnyDataset>>(
  ...datasets: { readonly [K in keyof D]: D[K] & FitsBlend<D[K]> }
):
  & Dataset<SampleIn<D[number]>, ErrorIn<D[number]> | SizeError, ServicesIn<D[number]>>
  & { readonly numSamples: number }
export function concat(...datasets: ReadonlyArray<AnyDataset>): AnyDataset {
  const parts = datasets.map((dataset) => {
    const numPlaces = placesOf(dataset)
    return { dataset, numPlaces, count: numPlaces }
  })
  return blend("concat", datasets.map(({ name }) => name).join("+"), parts, "inOrder")
}

/** A part of a mixture. */
export interface Weighted<D> {
  readonly dataset: D
  /** Its share of an epoch, in proportion to the other weights. */
  readonly weight: number
}

/** Settings of a mixture. */
export interface MixtureOptions {
  /** Places in an epoch: samples, but for those that a filter leaves out. Default: those of all parts together. */
  readonly numSamples?: number
  /** Default: `0.7*A+0.3*B`. */
  readonly name?: string
}

/**
 * Samples of several data sets in given shares. The counts of an epoch are exact: weight x epoch size by the method of
 * largest remainder. A small set is gone through more than once, a large one continues where the last epoch ended; each
 * set is read to its end before a sample of it comes again. Of a filtered set the places are counted, so that its share
 * of samples is smaller by what the filter leaves out. Throws RangeError for weights that are no shares.
 */
export function mixture<const D extends ReadonlyArray<AnyDataset>>(
  parts: { readonly [K in keyof D]: Weighted<D[K] & FitsBlend<D[K]>> },
  options?: MixtureOptions
):
  & Dataset<SampleIn<D[number]>, ErrorIn<D[number]> | SizeError, ServicesIn<D[number]>>
  & { readonly numSamples: number }
export function mixture(parts: ReadonlyArray<Weighted<AnyDataset>>, options: MixtureOptions = {}): AnyDataset {
  const sizes = parts.map(({ dataset }) => placesOf(dataset))
  const total = options.numSamples ?? sizes.reduce((all, size) => all + size, 0)
  const counts = largestRemainder(parts.map(({ weight }) => weight), total)
  const name = options.name ?? parts.map(({ dataset, weight }) => `${weight}*${dataset.name}`).join("+")
  return blend(
    "mixture",
    name,
    parts.map(({ dataset }, i) => ({ dataset, numPlaces: sizes[i] ?? 0, count: counts[i] ?? 0 })),
    "evenly"
  )
}
