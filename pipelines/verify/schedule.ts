import { Schema } from "effect"
import { warmupCosine } from "../../lib/optim/index.ts"
import { decode, guarded, parseJson } from "./golden.ts"
import type { Numbers, Row } from "./row.ts"
import { failedRow, measuredRow } from "./row.ts"

/** A schedule as the golden files write it, in epochs. */
export interface GoldenSchedule {
  readonly base: number
  readonly final: number
  readonly epochs: number
  readonly niter_per_ep: number
  readonly warmup_epochs: number
  readonly start_warmup_value: number
}

const Schedules = Schema.Struct({
  schedules: Schema.Array(Schema.Struct({
    base_value: Schema.Finite,
    final_value: Schema.Finite,
    epochs: Schema.Int,
    niter_per_ep: Schema.Int,
    warmup_epochs: Schema.Int,
    start_warmup_value: Schema.Finite,
    length: Schema.Int,
    indexes: Schema.Array(Schema.Int),
    values: Schema.Array(Schema.Finite)
  }))
})

/** The learning rate of each of the given steps, by the library's own schedule. */
export const ratesOf = (schedule: GoldenSchedule, steps: ReadonlyArray<number>): ReadonlyArray<number> => {
  const rate = warmupCosine({
    peak: schedule.base,
    end: schedule.final,
    start: schedule.start_warmup_value,
    warmupSteps: schedule.warmup_epochs * schedule.niter_per_ep,
    steps: schedule.epochs * schedule.niter_per_ep
  })
  return steps.map(rate)
}

const LIMIT = 1e-14
/** Half a unit in the last place of 1: what rounding 1 + cos costs where it is about 1, or less. */
const HALF_ULP = 2 ** -53

/**
 * A row for learning rates in float64: relative 1e-14. Near the end of a cosine, 1 + cos is small and keeps the absolute
 * rounding of cos, half a unit of 1: relative 1e-14 is then finer than any float64 evaluation of the formula (five of
 * the stored values differ so between two correct ones). Hence 1e-14 |v| + 2^-53 |base - final|, written as a measure of
 * its own against the limit 1e-14.
 */
export const ratesRow = (
  file: string,
  name: string,
  { base, final }: GoldenSchedule,
  found: Numbers,
  expected: Numbers
): Row => {
  if (found.length !== expected.length) {
    return failedRow(file, name, `expected ${found.length} rates, the file has ${expected.length}`)
  }
  let error = 0
  for (let i = 0; i < expected.length; i++) {
    const [a = Number.NaN, v = Number.NaN] = [found[i], expected[i]]
    const distance = Math.abs(a - v) / (Math.abs(v) + HALF_ULP / LIMIT * Math.abs(base - final))
    error = Math.max(error, a === v ? 0 : distance)
  }
  return measuredRow(file, name, error, LIMIT)
}

/** Rows of `schedule.json`: each schedule's rates in float64, on the host. Source: GOLDENS 6. */
export const verifySchedule = (file: string, bytes: Uint8Array): ReadonlyArray<Row> =>
  guarded(file, "schedules", () => {
    const { schedules } = decode("schedules", Schedules, parseJson(file, new TextDecoder().decode(bytes)))
    if (schedules.length === 0) return [failedRow(file, "schedules", "expected at least one schedule, found none")]
    return schedules.map(({ base_value: base, final_value: final, length, indexes, values, ...rest }, i) => {
      const schedule = { base, final, ...rest }
      const name = `schedules.${i} (${length} steps)`
      if (length !== rest.epochs * rest.niter_per_ep || indexes.length === 0) {
        return failedRow(file, name, `expected ${rest.epochs * rest.niter_per_ep} steps and at least one value`)
      }
      return ratesRow(file, name, schedule, ratesOf(schedule, indexes), values)
    })
  })
