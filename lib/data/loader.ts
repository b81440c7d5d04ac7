import { Channel, Stream } from "effect"
import type { Cursor, Dataset, EpochPlan } from "../api/dataset.ts"
import { EpochTooSmall } from "./errors.ts"
import type { Regrouper } from "./regroup.ts"
import { regroup } from "./regroup.ts"

/** Samples for one step, and where the run stands once they are used: what a checkpoint stores. */
export interface Batch<S> {
  readonly samples: ReadonlyArray<S>
  readonly cursor: Cursor
}

/** How a data set becomes batches. */
export interface BatchOptions {
  readonly batchSize: number
  /** The samples of an epoch that do not fill a batch. Default: `drop`, as the published trainer does. */
  readonly lastBatch?: "drop" | "keep"
  /** Epochs in all, counted from epoch 0: a run that starts in epoch 3 of 5 has two left. Default: no end. */
  readonly epochs?: number
  /**
   * Batches that are read and decoded ahead of those in use, rounded up to whole windows, so one window at least.
   * Default 2; 0 reads nothing before it is asked for.
   */
  readonly prefetch?: number
  /** Batches that a whole epoch must give, such as those of one update. Default 1. */
  readonly minBatches?: number
}

const positive = (name: string, value: number): void => {
  if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`expected ${name} >= 1, got ${value}`)
}

/**
 * Windows of one epoch to batches. A window that is shorter because samples were skipped still ends where the next one
 * begins, so places are counted window by window.
 */
const toBatches = <S>(
  windowSize: number,
  batchSize: number,
  { delivered, epoch }: Cursor,
  lastBatch: "drop" | "keep"
): Regrouper<ReadonlyArray<S>, Batch<S>> => {
  let window = Math.floor(delivered / windowSize)
  let drop = delivered - window * windowSize
  let open: ReadonlyArray<S> = []
  let end = delivered
  return {
    push: (arrived) =>
      arrived.flatMap((whole) => {
        const fresh = whole.slice(drop)
        const offset = window * windowSize + drop - open.length // the place of the first open sample, as if all were here
        const samples = open.concat(fresh)
        const batches: Array<Batch<S>> = []
        let start = 0
        for (; samples.length - start >= batchSize; start += batchSize) {
          const cursor = { epoch, delivered: offset + start + batchSize }
          batches.push({ samples: samples.slice(start, start + batchSize), cursor })
        }
        open = samples.slice(start)
        end = offset + samples.length
        window++
        drop = 0
        return batches
      }),
    end: () => lastBatch === "keep" && open.length > 0 ? [{ samples: open, cursor: { epoch, delivered: end } }] : []
  }
}

interface EpochSize {
  readonly dataset: string
  readonly epoch: number
  readonly numSamples: number
  readonly numBatches: number
}

const tooSmall = (size: EpochSize, batchSize: number, minBatches: number): EpochTooSmall => {
  const { numBatches, ...rest } = size
  const wanted = minBatches === 1 ? `${batchSize} samples` : `${minBatches} batches of ${batchSize} samples`
  const found = minBatches === 1 ? `${rest.numSamples}` : `${numBatches} batches from ${rest.numSamples} samples`
  const message = `expected at least ${wanted} in an epoch of ${JSON.stringify(rest.dataset)}, got ${found}: ` +
    `lower batchSize${minBatches === 1 ? "" : " or minBatches"}, use lastBatch: "keep", or add data`
  return new EpochTooSmall({ ...rest, batchSize, message })
}

/** Let the producer run `count` chunks ahead and no further; count 0 leaves the stream alone. */
const ahead = (count: number) => <A, E, R>(stream: Stream.Stream<A, E, R>): Stream.Stream<A, E, R> => {
  if (count === 0) return stream
  // count - 1 in the queue and one that waits to enter. `Stream.buffer` would hand out all it holds at once.
  return Stream.fromChannel(Channel.buffer(Stream.toChannel(stream), { capacity: count - 1 }))
}

/**
 * Batches from a cursor on, through this epoch and the next ones. A batch never spans two epochs. The samples, their
 * order and the cuts are those of the run that began at cursor 0: batches from the cursor of batch k are the batches
 * after k. Reading runs ahead by `prefetch` and waits for the consumer there; when the stream ends, fails or is
 * interrupted, reading stops and its files close. Fails as the data set does, and with EpochTooSmall for a whole epoch of
 * fewer than `minBatches` batches, once those are delivered. Throws RangeError (a defect) for sizes below 1. Source: DESIGN section 6.
 */
export const batches = <S, E, R>(
  dataset: Dataset<S, E, R>,
  plan: EpochPlan,
  cursor: Cursor,
  { batchSize, epochs = Infinity, lastBatch = "drop", prefetch = 2, minBatches = 1 }: BatchOptions
): Stream.Stream<Batch<S>, E | EpochTooSmall, R> => {
  positive("batchSize", batchSize)
  positive("minBatches", minBatches)
  positive("windowSize", plan.windowSize)
  // The batches that a window completes are one chunk of the stream.
  const chunksAhead = Math.ceil(prefetch / Math.max(1, Math.floor(plan.windowSize / batchSize)))
  const epochOf = (from: Cursor) =>
    Stream.suspend(() => {
      let numSamples = 0
      let numBatches = 0
      const windows = Stream.map(dataset.windows(plan, from), (window) => {
        numSamples += window.length
        return window
      })
      const made = windows.pipe(
        regroup(() => toBatches<S>(plan.windowSize, batchSize, from, lastBatch)),
        Stream.map((batch) => {
          numBatches++
          return batch
        })
      )
      const isWhole = from.delivered === 0
      return Stream.concat(
        made,
        Stream.suspend(() =>
          isWhole && numBatches < minBatches ?
            Stream.fail(
              tooSmall({ dataset: dataset.name, epoch: from.epoch, numSamples, numBatches }, batchSize, minBatches)
            ) :
            Stream.empty
        )
      )
    })
  return Stream.iterate(cursor, ({ epoch }) => ({ epoch: epoch + 1, delivered: 0 })).pipe(
    Stream.takeWhile(({ epoch }) => epoch < epochs),
    Stream.flatMap(epochOf),
    ahead(chunksAhead)
  )
}
