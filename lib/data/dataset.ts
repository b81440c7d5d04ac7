import type { Dataset as DatasetOf } from "../api/dataset.ts"
import { concat, filter, map, mixture, take } from "./combine.ts"

/** A source of decoded samples; see `lib/api`. The value of the same name holds the functions that make new ones. */
export type Dataset<S, E = never, R = never> = DatasetOf<S, E, R>

/**
 * Functions from data sets to data sets. All keep determinism: order stays a function of (seed, epoch), reading from a
 * cursor gives the rest of the whole reading, and fingerprints follow those of the parts.
 *
 * @example
 * ```ts
 * import { Dataset, fromArray } from "diffclip"
 *
 * const image = { width: 1, height: 1, data: Uint8Array.of(255, 0, 0) }
 * const red = fromArray("red", [{ key: "red", image, captions: ["a red pixel", "red"] }])
 * const short = Dataset.map(red, ({ captions, ...rest }) => ({ ...rest, captions: captions.slice(1) }))
 * const mixed = Dataset.mixture([{ dataset: red, weight: 0.7 }, { dataset: short, weight: 0.3 }], { numSamples: 10 })
 * console.log(mixed.numSamples) // 10, of them 7 from `red`
 * ```
 */
export const Dataset: {
  /** Each sample changed by a function. */
  readonly map: typeof map
  /** Only samples that pass a test; the others keep their places in the order. */
  readonly filter: typeof filter
  /** The first n stored samples. */
  readonly take: typeof take
  /** All samples of several sets in one epoch. */
  readonly concat: typeof concat
  /** Samples of several sets by weight, each as often as stated. */
  readonly mixture: typeof mixture
} = { map, filter, take, concat, mixture }
