import { type Html, markup } from "./html.ts"
import { linearScale, tightScale } from "./scale.ts"
import { element, label, line, pathThrough, svg } from "./svg.ts"

/** A curve of points (x, y) in the order of x; points that are not finite leave a gap. */
export interface Series {
  readonly label: string
  readonly points: ReadonlyArray<readonly [x: number, y: number]>
  /** Any CSS colour. Default: the page's series colours in turn. */
  readonly color?: string
  /** `raw` draws a faint line, for measurements under their smoothed curve; it has no place in the legend. */
  readonly weight?: "raw" | "full"
}

/** A chart of curves over a common x. */
export interface LineChart {
  readonly title: string
  readonly series: ReadonlyArray<Series>
  readonly xLabel: string
  /** A level to compare with, such as the loss of a guess. */
  readonly reference?: { readonly label: string; readonly value: number }
}

const size = { width: 520, height: 260, left: 52, right: 12, top: 12, bottom: 36 }

/** A figure: caption, curves with axes and ticks, and a legend where there are several curves. Colours are CSS's. */
export const lineChart = (chart: LineChart): Html => {
  const points = chart.series.flatMap((series) => series.points)
  const levels = chart.reference === undefined ? [] : [chart.reference.value]
  const xScale = tightScale(points.map(([x]) => x), 6)
  const yScale = linearScale([...points.map(([, y]) => y), ...levels], 4)
  const x = (value: number): number => size.left + xScale.place(value) * (size.width - size.left - size.right)
  const bottom = size.height - size.bottom
  const y = (value: number): number => bottom - yScale.place(value) * (bottom - size.top)
  const shown = chart.series.map((series, i) => ({ ...series, color: series.color ?? seriesColor(i) }))
  return markup`<figure class="chart"><figcaption>${chart.title}</figcaption>${
    svg(
      { width: size.width, height: size.height, title: `${chart.title} over ${chart.xLabel}` },
      yScale.ticks.map(({ value, text }) => [
        line(size.left, y(value), size.width - size.right, y(value), { class: "grid" }),
        label(size.left - 8, y(value) + 4, text, { "text-anchor": "end" })
      ]),
      xScale.ticks.map(({ value, text }) => label(x(value), bottom + 18, text, { "text-anchor": "middle" })),
      label(size.width - size.right, size.height - 3, chart.xLabel, { "text-anchor": "end", class: "axis" }),
      referenceLine(chart, y),
      shown.map((series) =>
        element("path", {
          d: pathThrough(thinned(series.points).map(([px, py]) => [x(px), y(py)] as const)),
          class: series.weight === "raw" ? "curve raw" : "curve",
          style: `stroke:${series.color}`
        }, element("title", {}, series.label))
      )
    )
  }${legend(shown.filter(({ weight }) => weight !== "raw"))}</figure>`
}

/** The page's colour for the i-th series. */
export const seriesColor = (i: number): string => `var(--series-${i % 6})`

/** A colour on the way between two of the page's colours, for series with an order: share 0 to 1. */
export const orderedColor = (share: number): string =>
  `color-mix(in oklab, var(--ramp-end) ${Math.round(100 * share)}%, var(--ramp-start))`

/**
 * A curve through noisy points: their mean under weights that halve with every `span` points to either side, so that it
 * does not lag behind. Gaps are passed over.
 */
export const smoothed = (
  points: ReadonlyArray<readonly [x: number, y: number]>,
  span: number
): ReadonlyArray<readonly [x: number, y: number]> => {
  const ys = points.map(([, y]) => y)
  const fromLeft = decayingSums(ys, span)
  const fromRight = decayingSums(ys.toReversed(), span).toReversed()
  return points.map(([x, y], i) => {
    const [left, right] = [fromLeft[i], fromRight[i]]
    if (left === undefined || right === undefined) return [x, NaN] as const
    // Both sides count the point itself.
    const own = Number.isFinite(y) ? 1 : 0
    return [x, (left.sum + right.sum - (own === 1 ? y : 0)) / (left.weight + right.weight - own)] as const
  })
}

const decayingSums = (
  ys: ReadonlyArray<number>,
  span: number
): ReadonlyArray<{ readonly sum: number; readonly weight: number }> => {
  const keep = 0.5 ** (1 / span)
  let [sum, weight] = [0, 0]
  return ys.map((y) => {
    const isPoint = Number.isFinite(y)
    sum = keep * sum + (isPoint ? y : 0)
    weight = keep * weight + (isPoint ? 1 : 0)
    return { sum, weight }
  })
}

const referenceLine = ({ reference }: LineChart, y: (value: number) => number): Html | undefined =>
  reference === undefined ?
    undefined :
    markup`${line(size.left, y(reference.value), size.width - size.right, y(reference.value), { class: "reference" })}${
      label(size.width - size.right, y(reference.value) - 5, reference.label, { "text-anchor": "end", class: "axis" })
    }`

const legend = (series: ReadonlyArray<Series>): Html | undefined =>
  series.length < 2 ?
    undefined :
    markup`<ul class="legend">${
      series.map(({ label, color }) => markup`<li><i style="background:${color}"></i>${label}</li>`)
    }</ul>`

/** At most a thousand points: the least and the greatest of each stretch, so that spikes stay. */
const thinned = (points: Series["points"]): Series["points"] => {
  const numStretches = 500
  if (points.length <= 2 * numStretches) return points
  return Array.from({ length: numStretches }, (_, i) => {
    const from = Math.floor(i * points.length / numStretches)
    const stretch = points.slice(from, Math.floor((i + 1) * points.length / numStretches))
    const order = stretch.map((_, k) => k).sort((a, b) => (stretch[a]?.[1] ?? 0) - (stretch[b]?.[1] ?? 0))
    const [least = 0, greatest = 0] = [order.at(0), order.at(-1)]
    return [Math.min(least, greatest), Math.max(least, greatest)].flatMap((k) =>
      stretch[k] === undefined ? [] : [stretch[k]]
    )
  }).flat()
}
