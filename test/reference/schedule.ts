/** A warmup and a cosine. Rates are per update; epochs are counted in `stepsPerEpoch` updates. */
export interface WarmupCosineOptions {
  readonly base: number
  readonly final: number
  readonly epochs: number
  readonly stepsPerEpoch: number
  readonly warmupEpochs: number
  readonly start: number
}

/**
 * The learning rate of an update, counted from 0: linear from `start` to `base` over the warmup, both ends included, then
 * a half cosine that begins at `base` again and never reaches `final`. Source: GOLDENS section 6.
 */
export const warmupCosine = (options: WarmupCosineOptions): (step: number) => number => {
  const { base, final, epochs, stepsPerEpoch, warmupEpochs, start } = options
  const warmup = warmupEpochs * stepsPerEpoch
  const rest = epochs * stepsPerEpoch - warmup
  return (step) => {
    if (step < warmup) {
      if (warmup === 1) return start
      return step === warmup - 1 ? base : start + step * ((base - start) / (warmup - 1))
    }
    return final + 0.5 * (base - final) * (1 + Math.cos((Math.PI * (step - warmup)) / rest))
  }
}
