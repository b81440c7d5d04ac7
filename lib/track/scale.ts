import { formatNumber } from "./format.ts"

/** Maps values to a length and knows where its ticks stand. */
export interface Scale {
  /**
   * The place of a value on 0 to 1; outside for values beyond the ends. NaN where there is none: for what is not finite or
   * beyond any use (1e150), and on a logarithmic scale for what is not above 0.
   */
  readonly place: (value: number) => number
  readonly ticks: ReadonlyArray<{ readonly value: number; readonly text: string }>
}

/** A linear scale over the values that ends on round numbers (1, 2 or 5 times a power of ten), with about `count` ticks. */
export const linearScale = (values: ReadonlyArray<number>, count: number): Scale => {
  const [low, high] = extent(values)
  const rough = (high - low) / count
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough * 0.999) ?? 10)
  const [first, last] = [Math.floor(low / step + 1e-9), Math.ceil(high / step - 1e-9)]
  return {
    place: (value) => hasPlace(value) ? (value / step - first) / (last - first) : NaN,
    ticks: Array.from({ length: last - first + 1 }, (_, i) => tick((first + i) * step))
  }
}

/** A scale over the values as they are, with ticks at round numbers inside: for the steps of a run. */
export const tightScale = (values: ReadonlyArray<number>, count: number): Scale => {
  const [low, high] = extent(values)
  const place = (value: number): number => hasPlace(value) ? (value - low) / (high - low) : NaN
  const { ticks } = linearScale([low, high], count)
  return { place, ticks: ticks.filter(({ value }) => value >= low && value <= high) }
}

/** A logarithmic scale from `low` to `high`, both above 0, with a tick at each power of ten. */
export const logScale = (low: number, high: number): Scale => {
  const [from, to] = [Math.log10(low), Math.log10(high)]
  const first = Math.ceil(from - 1e-9)
  return {
    place: (value) => value > 0 && hasPlace(value) ? (Math.log10(value) - from) / (to - from) : NaN,
    ticks: Array.from({ length: Math.max(0, Math.floor(to + 1e-9) - first + 1) }, (_, i) => tick(10 ** (first + i)))
  }
}

/**
 * A logarithmic scale over those values that are above 0, which ends on 1, 2 or 5 times a power of ten; its ticks are
 * powers of ten, or those numbers where there are few. Undefined where no value is above 0.
 */
export const positiveScale = (values: ReadonlyArray<number>): Scale | undefined => {
  let [low, high] = [Infinity, 0]
  for (const value of values) {
    if (!(value > 1e-150) || !isUsable(value)) continue
    low = Math.min(low, value)
    high = Math.max(high, value)
  }
  if (low > high) return undefined
  const [first, last] = [Math.floor(Math.log10(low) + 1e-9), Math.ceil(Math.log10(high) - 1e-9)]
  const round = Array.from({ length: last - first + 1 }, (_, i) => [1, 2, 5].map((m) => m * 10 ** (first + i))).flat()
  const from = round.findLast((value) => value <= low * (1 + 1e-9)) ?? low
  const to = round.find((value) => value >= high * (1 - 1e-9) && value > from) ?? 10 * from
  const { place, ticks } = logScale(from, to)
  if (ticks.length >= 4) {
    const every = Math.ceil(ticks.length / 6)
    return { place, ticks: ticks.filter((_, i) => i % every === 0) }
  }
  return { place, ticks: round.filter((value) => value >= from && value <= to).map(tick) }
}

const tick = (value: number): { readonly value: number; readonly text: string } => ({
  value,
  text: formatNumber(Number(value.toPrecision(12)))
})

/** Beyond this a value counts as not finite, so that differences and ratios stay inside float64. */
const largest = 1e150
const isUsable = (value: number): boolean => Math.abs(value) < largest
/** Round numbers at the ends of a scale may lie a little beyond the values that it covers. */
const hasPlace = (value: number): boolean => Math.abs(value) < 100 * largest

/** Least and greatest finite value; widened where they are all but equal, 0 to 1 where there is none. */
const extent = (values: ReadonlyArray<number>): readonly [low: number, high: number] => {
  let [low, high] = [Infinity, -Infinity]
  for (const value of values) {
    if (!isUsable(value)) continue
    low = Math.min(low, value)
    high = Math.max(high, value)
  }
  if (low > high) return [0, 1]
  const size = Math.max(Math.abs(low), Math.abs(high))
  const margin = high - low > Math.max(1e-12 * size, 1e-150) ? 0 : Math.max(0.1 * size, size < 1e-150 ? 1 : 0)
  return [low - margin, high + margin]
}
