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
 * import { Dataset, openWebdataset } from "diffclip"
 * import { Effect } from "effect"
 *
 * const mixed = Effect.gen(function* () {
 *   const [photos, drawings] = [yield* openWebdataset("photos"), yield* openWebdataset("drawings")]
 *   const short = Dataset.map(drawings, ({ captions, ...rest }) => ({ ...rest, captions: captions.slice(0, 1) }))
 *   return Dataset.mixture([{ dataset: photos, weight: 0.7 }, { dataset: short, weight: 0.3 }])
 * })
 * ```
 */
export const Dataset: {
  readonly map: typeof map
  readonly filter: typeof filter
  readonly take: typeof take
  readonly concat: typeof concat
  readonly mixture: typeof mixture
} = { map, filter, take, concat, mixture }
