import { Stream } from "effect"
import type { Dataset } from "../api/dataset.ts"

/**
 * The data set with a pure function on each of its samples; order, windows and number stay. `f` must not throw: what it
 * throws is a defect.
 */
export const mapSamples = <S, T, E, R>(dataset: Dataset<S, E, R>, f: (sample: S) => T): Dataset<T, E, R> => ({
  name: dataset.name,
  ...(dataset.numSamples === undefined ? {} : { numSamples: dataset.numSamples }),
  ...(dataset.check === undefined ? {} : { check: dataset.check }),
  windows: (plan, from) => Stream.map(dataset.windows(plan, from), (window) => window.map((sample) => f(sample)))
})
