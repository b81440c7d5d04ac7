import { Effect, Result, Stream } from "effect"
import type { Cursor, Dataset, EpochPlan } from "../api/dataset.ts"
import { fold, keyOf, permutation } from "../tensor/random.ts"
import { digestOf } from "./digest.ts"
import { isHttpUrl, nameInUrl } from "./httpUrl.ts"
import type { Regrouper } from "./regroup.ts"
import { regroup } from "./regroup.ts"
import type { SkipLedger } from "./skipping.ts"
import { Skipping } from "./skipping.ts"

/** A run of samples that is stored together. `numSamples` where it is known without reading. */
export interface ShardInfo {
  readonly path: string
  readonly numSamples?: number
}

/** A sample that has a place in the order and is not decoded yet. B: what can be wrong with it. */
export interface Slot<S, B, R> {
  readonly key: string
  readonly decode: Effect.Effect<S, B, R>
}

/** Where samples come from, in stored order and without an epoch: what `windowsOf` makes a data set of. */
export interface SampleSource<S, E, B, R> {
  readonly name: string
  readonly shards: Effect.Effect<ReadonlyArray<ShardInfo>, E, R>
  /** What else tells these shards from others of the same names and counts, where that is cheap to know. */
  readonly stamp?: Effect.Effect<string, E, R>
  /** The samples of a shard in stored order, not decoded yet. */
  readonly read: (shard: ShardInfo) => Stream.Stream<Slot<S, B, R>, E, R>
}

/**
 * What becomes of a sample that cannot be used. `skip` leaves it out, reports it in the order of the samples, and turns
 * to failing with `overCeiling` once more than `ceiling` samples of one reading of an epoch were left out.
 */
export type BadSamples<B> =
  | { readonly policy: "fail" }
  | {
    readonly policy: "skip"
    readonly ceiling: number
    /** Is told of each sample that is left out. */
    readonly report: (error: B) => Effect.Effect<void>
    /** The error of the sample that is one too many. */
    readonly overCeiling: (last: B) => B
  }

/** What a run needs to leave out samples of its own accord and to record them. */
export interface Skippable<B> {
  /** Where a bad sample lies, and why it is bad. */
  readonly describe: (error: B) => { readonly shard: string; readonly reason: string }
  /** The error of the sample that is one too many for a ceiling. */
  readonly overCeiling: (ceiling: number) => (last: B) => B
}

/** How windows are decoded: at most `concurrency` samples at a time. */
export interface WindowOptions<B> {
  readonly concurrency: number
  readonly onBadSample: BadSamples<B>
  /** Absent where no sample can be bad, or where `onBadSample` alone decides. */
  readonly skippable?: Skippable<B>
}

/** A data set that knows its source, so that `cached` can keep the decoded samples and leave the order as it is. */
export interface StoredDataset<S, E, B, R> extends Dataset<S, E | B, R> {
  readonly source: SampleSource<S, E, B, R>
  readonly options: WindowOptions<B>
}

interface Window<T> {
  readonly index: number
  readonly slots: ReadonlyArray<T>
}

const checkPlan = ({ windowSize }: EpochPlan, { epoch, delivered }: Cursor): void => {
  const isWhole = [windowSize, epoch, delivered].every(Number.isSafeInteger)
  if (isWhole && windowSize > 0 && epoch >= 0 && delivered >= 0) return
  throw new RangeError(
    `expected windowSize > 0, epoch and delivered >= 0 in whole numbers, got ${windowSize}, ${epoch} and ${delivered}`
  )
}

/** The order of `shards` in an epoch: a function of (seed, epoch) and their number. */
export const shardOrder = <T>(shards: ReadonlyArray<T>, { seed, order }: EpochPlan, epoch: number): Array<T> => {
  if (order === "sequential") return [...shards]
  const places = permutation(fold(keyOf(seed), "shards", epoch), shards.length)
  return Array.from(places, (i) => shards.slice(i, i + 1)).flat()
}

const permuted = <T>({ index, slots }: Window<T>, { seed, order }: EpochPlan, epoch: number): ReadonlyArray<T> => {
  if (order === "sequential") return slots
  const places = permutation(fold(keyOf(seed), "window", epoch, index), slots.length)
  return Array.from(places, (i) => slots.slice(i, i + 1)).flat()
}

/** Cut slots into windows, after passing over the first `skip`; the last window holds what is left. */
const cut = <T>(skip: number, firstIndex: number, windowSize: number) =>
  regroup((): Regrouper<T, Window<T>> => {
    let toSkip = skip
    let index = firstIndex
    let open: Array<T> = []
    return {
      push: (arrived) => {
        const windows: Array<Window<T>> = []
        for (const slot of arrived) {
          if (toSkip > 0) toSkip--
          else if (open.push(slot) === windowSize) {
            windows.push({ index: index++, slots: open })
            open = []
          }
        }
        return windows
      },
      end: () => open.length === 0 ? [] : [{ index, slots: open }]
    }
  })

/** What a run says of bad samples goes before what the data set says. */
const policyOf = <B>({ onBadSample, skippable }: WindowOptions<B>, ledger: SkipLedger | undefined): BadSamples<B> => {
  if (ledger === undefined || ledger.onBadSample.policy === "dataset") return onBadSample
  if (ledger.onBadSample.policy === "fail") return ledger.onBadSample
  if (skippable === undefined) return onBadSample
  const { ceiling } = ledger.onBadSample
  const report = onBadSample.policy === "skip" ? onBadSample.report : () => Effect.void
  return { policy: "skip", ceiling, report, overCeiling: skippable.overCeiling(ceiling) }
}

/** A slot at its place in the order of its epoch, before the window was permuted. */
interface Placed<S, B, R> {
  readonly slot: Slot<S, B, R>
  readonly place: number
}

/** Decoding of one window; the count of skipped samples goes over all windows of a pass. */
const decoder = <S, B, R>(
  options: WindowOptions<B>,
  ledger: SkipLedger | undefined,
  at: { readonly dataset: string; readonly epoch: number }
) => {
  const { concurrency, skippable } = options
  const policy = policyOf(options, ledger)
  const wasSkipped = ({ slot: { key }, place }: Placed<S, B, R>): boolean =>
    ledger !== undefined && ledger.has({ ...at, place, key })
  if (policy.policy === "fail") {
    return (window: ReadonlyArray<Placed<S, B, R>>) =>
      Effect.forEach(window.filter((placed) => !wasSkipped(placed)), ({ slot }) => slot.decode, { concurrency })
  }
  const { ceiling, overCeiling, report } = policy
  let numSkipped = ledger?.count(at.dataset, at.epoch) ?? 0
  return (window: ReadonlyArray<Placed<S, B, R>>) =>
    Effect.gen(function* () {
      const wanted = window.filter((placed) => !wasSkipped(placed))
      const results = yield* Effect.forEach(wanted, ({ slot, place }) =>
        Effect.map(Effect.result(slot.decode), (result) => ({ result, place, key: slot.key })), { concurrency })
      const good: Array<S> = []
      for (const { key, place, result } of results) {
        if (Result.isSuccess(result)) {
          good.push(result.success)
        } else {
          yield* report(result.failure)
          if (++numSkipped > ceiling) {
            return yield* Effect.fail(overCeiling(result.failure))
          }
          const facts = skippable?.describe(result.failure) ?? { shard: "", reason: "unusable" }
          ledger?.add({ ...at, place, key, ...facts })
        }
      }
      return good
    })
}

const nameOf = (path: string): string => isHttpUrl(path) ? nameInUrl(path) : path.slice(path.lastIndexOf("/") + 1)

/** Names and counts of the shards, hashed: enough to notice that a set was written again, cheap for thousands of them. */
const fingerprintOf = (shards: ReadonlyArray<ShardInfo>, stamp: string | undefined): Effect.Effect<string> => {
  const listed = shards.map(({ path, numSamples }) => [nameOf(path), numSamples ?? null])
  return digestOf(JSON.stringify(stamp === undefined ? listed : [listed, stamp]))
}

/**
 * The data set of a source, with the order of DESIGN section 6: shards permuted by (seed, epoch), places along that
 * order cut into windows of `windowSize`, each window permuted by (seed, epoch, window). `windows` begins with the window
 * that holds place `from.delivered`; shards before it are passed over unread as far as their sizes are known.
 * A skipped sample keeps its place: its window is shorter and all other windows stay as they are. Where the reader has a
 * ledger (`Skipping`), what is skipped is recorded there, and what is recorded is skipped again without being decoded, so
 * that a resume meets the same samples even if the bad ones can be read by then. An epoch with nothing left is an empty
 * stream.
 */
export const windowsOf = <S, E, B, R>(
  source: SampleSource<S, E, B, R>,
  options: WindowOptions<B>,
  numSamples?: number
): StoredDataset<S, E, B, R> => ({
  name: source.name,
  ...(numSamples === undefined ? {} : { numSamples }),
  source,
  options,
  check: source.shards,
  fingerprint: Effect.gen(function* () {
    const shards = yield* source.shards
    return yield* fingerprintOf(shards, source.stamp === undefined ? undefined : yield* source.stamp)
  }),
  windows: (plan, from) =>
    Stream.unwrap(Effect.gen(function* () {
      checkPlan(plan, from)
      const shards = yield* source.shards
      const ledger = yield* Skipping
      const order = shardOrder(shards, plan, from.epoch)
      const firstIndex = Math.floor(from.delivered / plan.windowSize)
      let skip = firstIndex * plan.windowSize
      let first = 0
      for (const { numSamples } of order) {
        if (numSamples === undefined || numSamples > skip) break
        skip -= numSamples
        first++
      }
      const decode = decoder<S, B, R>(options, ledger, { dataset: source.name, epoch: from.epoch })
      return Stream.fromIterable(order.slice(first)).pipe(
        Stream.flatMap(source.read),
        cut<Slot<S, B, R>>(skip, firstIndex, plan.windowSize),
        Stream.map(({ index, slots }) => ({
          index,
          slots: slots.map((slot, i) => ({ slot, place: index * plan.windowSize + i }))
        })),
        Stream.mapEffect((window) => decode(permuted(window, plan, from.epoch)))
      )
    }))
})
