import type { BestCheckpoint, CheckpointState } from "../lib/checkpoint/index.ts"

/** Whether more is better. */
export type MetricMode = "max" | "min"

/** What validation knows so far: a mutable record that every checkpoint stores. */
export interface Validated {
  /** The best step so far. */
  best: BestCheckpoint | null
  /** The last step that was validated; 0 before the first. */
  step: number
}

/** What a checkpoint knows; nothing at the beginning of a run. */
export const validatedIn = (state: CheckpointState | undefined): Validated => {
  const step = state?.extra["validated"]
  return { best: state?.best ?? null, step: typeof step === "number" ? step : 0 }
}

/** Whether a value beats the best so far: a number, and strictly better. NaN and infinities never do. */
export const isBetter = (value: number, best: BestCheckpoint | null, mode: MetricMode): boolean => {
  if (!Number.isFinite(value)) return false
  if (best === null) return true
  return mode === "max" ? value > best.value : value < best.value
}

/** Validations up to `step`, one each `every` steps, that came after `since` and found nothing better. */
export const validationsSince = (since: number, step: number, every: number): number =>
  Math.floor(step / every) - Math.floor(since / every)
