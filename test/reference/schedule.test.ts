import { describe, expect, it } from "vitest"
import { field, goldenJson, list, number } from "./golden.ts"
import { warmupCosine, type WarmupCosineOptions } from "./schedule.ts"

const schedules = list(field(goldenJson("schedule.json"), "schedules"), (item) => ({
  base: number(field(item, "base_value")),
  final: number(field(item, "final_value")),
  epochs: number(field(item, "epochs")),
  stepsPerEpoch: number(field(item, "niter_per_ep")),
  warmupEpochs: number(field(item, "warmup_epochs")),
  start: number(field(item, "start_warmup_value")),
  indexes: list(field(item, "indexes"), number),
  values: list(field(item, "values"), number)
}))

/** final + (base - final) sin^2(pi (M - i) / 2M): the cosine's value without the cancellation of 1 + cos near pi. */
const withoutCancellation = (
  { base, final, epochs, stepsPerEpoch, warmupEpochs }: WarmupCosineOptions,
  step: number
): number => {
  const rest = (epochs - warmupEpochs) * stepsPerEpoch
  const left = epochs * stepsPerEpoch - step
  return final + (base - final) * Math.sin((Math.PI * left) / (2 * rest)) ** 2
}

describe.each(schedules)(
  "$epochs epochs of $stepsPerEpoch steps, $warmupEpochs of them warmup",
  ({ indexes, values, ...options }) => {
    const rate = warmupCosine(options)

    // GOLDENS section 6 asks for a relative 1e-14. Near the end of a cosine the stored values themselves are up to 4e-14 from
    // the formula computed with 60 digits (steps 193, 195, 198, 199 of the 200; step 49 of the 50): a last place of the
    // cosine, which 1 + cos magnifies. So two last places of it, 2^-53 of the amplitude, are allowed on top.
    it("rates are the stored ones", () => {
      expect(indexes).toHaveLength(values.length)
      values.forEach((value, i) => {
        const limit = 1e-14 * Math.abs(value) + 2 ** -53 * Math.abs(options.base - options.final)
        expect(Math.abs(rate(indexes[i] ?? NaN) - value)).toBeLessThanOrEqual(limit)
      })
    })

    it("rates after the warmup are the exact ones to a relative 1e-14", () => {
      const warmup = options.warmupEpochs * options.stepsPerEpoch
      for (const step of indexes.filter((index) => index >= warmup)) {
        expect(Math.abs(rate(step) / withoutCancellation(options, step) - 1)).toBeLessThan(1e-14)
      }
    })
  }
)
