import { Context } from "effect"

/** A sample that was left out: its place in the epoch's order before windows are permuted, where it is stored, and why. */
export interface SkippedSample {
  /** Name of the data set that read it; of a mixture, the part. */
  readonly dataset: string
  readonly epoch: number
  readonly place: number
  readonly shard: string
  readonly key: string
  readonly reason: string
}

/** What decides about bad samples: the data set's own settings, or a run that overrules them. */
export type SkipPolicy =
  | { readonly policy: "dataset" }
  | { readonly policy: "fail" }
  | { readonly policy: "skip"; readonly ceiling: number }

/** What a run remembers of the samples that it left out. */
export interface SkipLedger {
  readonly onBadSample: SkipPolicy
  /** Whether the sample at a place was left out before: it is left out again, unread. */
  readonly has: (sample: Pick<SkippedSample, "dataset" | "epoch" | "place" | "key">) => boolean
  /** Samples of an epoch of a data set that were left out so far; the ceiling counts on from there. */
  readonly count: (dataset: string, epoch: number) => number
  /** Records a sample that was left out. */
  readonly add: (sample: SkippedSample) => void
  /** All of them, in the order in which they were met. */
  readonly entries: ReadonlyArray<SkippedSample>
}

/** A ledger that begins with what an earlier part of the run recorded. */
export const makeSkipLedger = (
  onBadSample: SkipPolicy,
  recorded: ReadonlyArray<SkippedSample> = []
): SkipLedger => {
  const entries: Array<SkippedSample> = []
  const known = new Set<string>()
  const counts = new Map<string, number>()
  const idOf = ({ dataset, epoch, place, key }: Parameters<SkipLedger["has"]>[0]): string =>
    JSON.stringify([dataset, epoch, place, key])
  const countId = (dataset: string, epoch: number): string => JSON.stringify([dataset, epoch])
  const add = (sample: SkippedSample): void => {
    const id = idOf(sample)
    if (known.has(id)) return
    known.add(id)
    entries.push(sample)
    const at = countId(sample.dataset, sample.epoch)
    counts.set(at, (counts.get(at) ?? 0) + 1)
  }
  for (const sample of recorded) add(sample)
  return {
    onBadSample,
    has: (sample) => known.size > 0 && known.has(idOf(sample)),
    count: (dataset, epoch) => counts.get(countId(dataset, epoch)) ?? 0,
    add,
    entries
  }
}

/**
 * The ledger of the run that reads. Every data set of this library asks for it when an epoch begins, however deep it
 * stands in a mixture; without one (the default) each data set follows its own settings and remembers nothing.
 */
export const Skipping: Context.Reference<SkipLedger | undefined> = Context.Reference<SkipLedger | undefined>(
  "diffclip/Skipping",
  { defaultValue: () => undefined }
)
