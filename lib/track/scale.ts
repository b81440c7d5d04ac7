import { formatNumber } from "./format.ts"

/** Maps values to a length and knows where its ticks stand. */
export interface Scale {
  /** The place of a value on 0 to 1; outside for values beyond the ends, NaN where a logarithm has none. */
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
    place: (value) => (value / step - first) / (last - first),
    ticks: Array.from({ length: last - first + 1 }, (_, i) => tick((first + i) * step))
  }
}

/** A scale over the values as they are, with ticks at round numbers inside: for the steps of a run. */
export const tightScale = (values: ReadonlyArray<number>, count: number): Scale => {
  const [low, high] = extent(values)
  const place = (value: number): number => (value - low) / (high - low)
  const { ticks } = linearScale([low, high], count)
  return { place, ticks: ticks.filter(({ value }) => value >= low && value <= high) }
}

/** A logarithmic scale from `low` to `high`, both above 0, with a tick at each power of ten. */
export const logScale = (low: number, high: number): Scale => {
  const [from, to] = [Math.log10(low), Math.log10(high)]
  const first = Math.ceil(from - 1e-9)
  return {
    place: (value) => value > 0 ? (Math.log10(value) - from) / (to - from) : NaN,
    ticks: Array.from({ length: Math.max(0, Math.floor(to + 1e-9) - first + 1) }, (_, i) => tick(10 ** (first + i)))
  }
}

const tick = (value: number): { readonly value: number; readonly text: string } => ({
  value,
  text: formatNumber(Number(value.toPrecision(12)))
})

/** Beyond this a value counts as not finite, so that differences and ratios stay inside float64. */
const largest = 1e150

/** Least and greatest finite value; widened where they are all but equal, 0 to 1 where there is none. */
const extent = (values: ReadonlyArray<number>): readonly [low: number, high: number] => {
  let [low, high] = [Infinity, -Infinity]
  for (const value of values) {
    if (!(Math.abs(value) < largest)) continue
    low = Math.min(low, value)
    high = Math.max(high, value)
  }
  if (low > high) return [0, 1]
  const size = Math.max(Math.abs(low), Math.abs(high))
  const margin = high - low > Math.max(1e-12 * size, 1e-150) ? 0 : Math.max(0.1 * size, size < 1e-150 ? 1 : 0)
  return [low - margin, high + margin]
}
