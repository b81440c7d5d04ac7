import { Effect } from "effect"
import { SampleError } from "./errors.ts"
import type { WindowOptions } from "./source.ts"

/** What becomes of samples that cannot be used. `report` is told of each that is left out, in the order of the samples. */
export type OnBadSample =
  | { readonly policy: "fail" }
  | {
    readonly policy: "skip"
    /** Samples that one reading of an epoch may leave out before it fails. */
    readonly ceiling: number
    /** Is told of each sample that is left out. Default: nobody. */
    readonly report?: (error: SampleError) => Effect.Effect<void>
  }

/** How the samples of a data set are decoded. */
export interface DecodeOptions {
  /** Samples that are decoded at the same time. Default 4, one for each thread of libuv's pool. */
  readonly concurrency?: number
  /** Default: fail. */
  readonly onBadSample?: OnBadSample
}

const overCeiling = (ceiling: number) => (last: SampleError): SampleError => {
  const { shard, key } = last
  const member = last.member === undefined ? {} : { member: last.member }
  const message =
    `expected at most ${ceiling} bad samples in an epoch, this is one more: look into the data, or raise ` +
    `the ceiling. ${last.message}`
  return new SampleError({ shard, key, ...member, reason: "tooManySkipped", message })
}

/** The settings of windows whose samples fail with SampleError. */
export const sampleWindows = (
  { concurrency = 4, onBadSample = { policy: "fail" } }: DecodeOptions
): WindowOptions<SampleError> => ({
  concurrency,
  onBadSample: onBadSample.policy === "fail" ? onBadSample : {
    policy: "skip",
    ceiling: onBadSample.ceiling,
    report: onBadSample.report ?? (() => Effect.void),
    overCeiling: overCeiling(onBadSample.ceiling)
  },
  skippable: { describe: ({ shard, reason }) => ({ shard, reason }), overCeiling }
})
