import type { Effect, Stream } from "effect"

/** Where a run stands in its data: samples that were delivered in an epoch. */
export interface Cursor {
  readonly epoch: number
  readonly delivered: number
}

/** How one epoch is read. Order is a function of (seed, epoch) alone. */
export interface EpochPlan {
  readonly seed: number
  /** Samples that are permuted together; also what a resume rereads at most. */
  readonly windowSize: number
  /** `sequential` keeps the stored order, for evaluation. */
  readonly order: "shuffled" | "sequential"
}

/**
 * A source of decoded samples of any size. `windows` yields the epoch's windows from the one that holds the cursor on,
 * whole: the loader drops what was delivered before. The sample type says what a data set can be used for.
 */
export interface Dataset<S, E = never, R = never> {
  readonly name: string
  /** Samples in an epoch, where known: from a manifest, `sizes.json`, or the caller. */
  readonly numSamples?: number
  /**
   * Places in an epoch's windows, where they are not `numSamples`: a filter leaves samples out and keeps their places,
   * which a resume and a mixture go by. `"unknown"` where nothing says them.
   */
  readonly numPlaces?: number | "unknown"
  /** A cheap look whether the data can be reached, so that a run fails before it allocates weights, not after. */
  readonly check?: Effect.Effect<unknown, E, R>
  /** What identifies the data cheaply (names, sizes and counts of its files): a resume refuses data that changed. */
  readonly fingerprint?: Effect.Effect<string, E, R>
  /** The epoch's windows from the one that holds the cursor on, whole. */
  readonly windows: (plan: EpochPlan, from: Cursor) => Stream.Stream<ReadonlyArray<S>, E, R>
}

/** A labelled data set also knows its classes, and the templates that their names are put into. */
export interface LabelledDataset<S, E = never, R = never> extends Dataset<S, E, R> {
  readonly classNames: ReadonlyArray<string>
  readonly templates: ReadonlyArray<string>
}
