import type { Schedule } from "../api/index.ts"
import { cosPi } from "../tensor/index.ts"

/** A schedule in steps. Rates are per step; `warmupSteps` may be 0. */
export interface WarmupCosineOptions {
  /** The rate at the end of the warm-up. */
  readonly peak: number
  /** Default 1e-6. */
  readonly start?: number
  /** Where the cosine heads; never quite reached. Default 1e-5. */
  readonly end?: number
  readonly warmupSteps: number
  readonly steps: number
}

/**
 * Linear warm-up with both ends included, then a cosine: the peak is used twice and `end` never. A warm-up of one step
 * is the start alone. Steps beyond the last keep the last rate. Source: SLIP; REFERENCE 4.2, trap 32.
 *
 * @example
 * ```ts
 * import { warmupCosine } from "diffclip"
 *
 * const schedule = warmupCosine({ peak: 5e-4, warmupSteps: 561, steps: 22_440 })
 * console.log(schedule(0), schedule(560), schedule(561)) // 0.000001 0.0005 0.0005
 * ```
 */
export const warmupCosine = (
  { peak, start = 1e-6, end = 1e-5, warmupSteps, steps }: WarmupCosineOptions
): Schedule =>
(step) => {
  if (step < warmupSteps) return warmupSteps === 1 ? start : start + step * ((peak - start) / (warmupSteps - 1))
  const length = steps - warmupSteps
  const i = Math.min(step - warmupSteps, length - 1)
  return end + 0.5 * (peak - end) * (1 + cosPi(i / length))
}

/** One rate throughout. */
export const constant = (rate: number): Schedule => () => rate
