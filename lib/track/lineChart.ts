import { chartNumbers, chartSentence } from "./chartNumbers.ts"
import { formatNumber } from "./format.ts"
import { type Html, markup } from "./html.ts"
import { linearScale, positiveScale, tightScale } from "./scale.ts"
import { type Attributes, element, label, line, pathThrough, svg } from "./svg.ts"

/** A curve of points (x, y) in the order of x; points that are not finite leave a gap. */
export interface Series {
  readonly label: string
  readonly points: ReadonlyArray<readonly [x: number, y: number]>
  /** Any CSS colour. Default: the page's series colours in turn. */
  readonly color?: string
  /** Tells curves apart where colours do not. Default `solid`. */
  readonly dash?: Dash
  /**
   * `raw` draws a faint line, for measurements under their smoothed curve; it has no place in the legend. `dots` marks
   * each point as well, where there are few.
   */
  readonly weight?: "raw" | "full" | "dots"
}

/** How a line is broken. */
export type Dash = "solid" | "dashed" | "dotted"

/** A chart of curves over a common x. */
export interface LineChart {
  readonly title: string
  readonly series: ReadonlyArray<Series>
  readonly xLabel: string
  /** A level to compare with, such as the loss of a guess. */
  readonly reference?: { readonly label: string; readonly value: number }
  /** `log` shows values above 0 only; without any the scale is linear. Default `linear`. */
  readonly yScale?: "linear" | "log"
  /** Whether a linear scale reaches down to 0, where a share of the whole is what matters. Default false. */
  readonly hasZero?: boolean
  /** How a value reads. Default `formatNumber`. */
  readonly format?: (value: number) => string
  /** Points to point at, such as the best one. */
  readonly marks?: ReadonlyArray<{ readonly x: number; readonly y: number; readonly label: string }>
}

const size = { width: 520, height: 270, left: 58, right: 14, top: 16, bottom: 40 }

/**
 * A figure: caption, curves with axes and ticks, a legend where there are several curves, and the numbers behind them
 * folded under it, for readers who cannot see it or want to copy. Colours are CSS's.
 */
export const lineChart = (chart: LineChart): Html => {
  const { series, marks = [], reference, format = formatNumber } = chart
  const points = series.flatMap((one) => one.points)
  const levels = [...(reference === undefined ? [] : [reference.value]), ...(chart.hasZero === true ? [0] : [])]
  const ys = [...points.map(([, y]) => y), ...levels]
  const xScale = tightScale(points.map(([x]) => x), 6)
  const yScale = (chart.yScale === "log" ? positiveScale(ys) : undefined) ?? linearScale(ys, 4)
  const x = (value: number): number => size.left + xScale.place(value) * (size.width - size.left - size.right)
  const bottom = size.height - size.bottom
  const y = (value: number): number => bottom - yScale.place(value) * (bottom - size.top)
  const shown = series.map((one, i) => ({ ...one, color: one.color ?? seriesColor(i) }))
  const place: Place = { x, y }
  return markup`<figure class="chart"><figcaption>${chart.title}${
    chart.yScale === "log" ? markup`<small> (logarithmic)</small>` : undefined
  }</figcaption>${
    svg(
      { width: size.width, height: size.height, title: chartSentence(chart) },
      yScale.ticks.map(({ value, text }) => [
        line(size.left, y(value), size.width - size.right, y(value), { class: "grid" }),
        label(size.left - 8, y(value) + 4, chart.format === undefined ? text : roundText(format(value)), {
          "text-anchor": "end"
        })
      ]),
      xScale.ticks.map(({ value, text }) => label(x(value), bottom + 18, text, { "text-anchor": "middle" })),
      label(size.width - size.right, size.height - 3, chart.xLabel, { "text-anchor": "end", class: "axis" }),
      referenceLine(chart, y),
      shown.map((one) => curve(one, place)),
      marks.map((mark) => markOf(mark, place))
    )
  }${legend(shown.filter(({ weight }) => weight !== "raw"))}${chartNumbers(chart)}</figure>`
}

/** The page's colour for the i-th series. */
export const seriesColor = (i: number): string => `var(--series-${i % 6})`

/** The i-th way to break a line, turning with the colours and once more each time that they have been used up. */
export const seriesDash = (i: number): Dash => dashes[(i + Math.floor(i / 6)) % dashes.length] ?? "solid"

const dashes: ReadonlyArray<Dash> = ["solid", "dashed", "dotted"]

/** A colour on the way between two of the page's colours, for series with an order: share 0 to 1. */
export const orderedColor = (share: number): string =>
  `color-mix(in oklab, var(--ramp-end) ${Math.round(100 * share)}%, var(--ramp-start))`

/** A tick is a round number: `20 %` instead of `20.0 %`. */
const roundText = (text: string): string => text.replace(/\.0+(?=\D|$)/, "")

/** From values to places in the picture. */
interface Place {
  readonly x: (value: number) => number
  readonly y: (value: number) => number
}

const patterns: Readonly<Record<Dash, Attributes>> = {
  solid: {},
  dashed: { "stroke-dasharray": "7 4" },
  dotted: { "stroke-dasharray": "1.5 4.5" }
}

const curve = ({ points, weight, color = "", dash = "solid", label }: Series, { x, y }: Place): Html => {
  const placed = thinned(points).map(([px, py]) => [x(px), y(py)] as const)
  // A lone point has no length, so that a line through it would show nothing.
  const dots = weight === "dots" || placed.length === 1 ? placed.filter(([, py]) => Number.isFinite(py)) : []
  return element(
    "g",
    { style: `stroke:${color};fill:${color}` },
    element("title", {}, label),
    element("path", { d: pathThrough(placed), class: weight === "raw" ? "curve raw" : "curve", ...patterns[dash] }),
    dots.filter(([px]) => Number.isFinite(px)).map(([cx, cy]) => element("circle", { cx, cy, r: 3, class: "dot" }))
  )
}

const markOf = (
  mark: { readonly x: number; readonly y: number; readonly label: string },
  { x, y }: Place
): Html | undefined => {
  const [cx, cy] = [x(mark.x), y(mark.y)]
  if (!Number.isFinite(cx) || !Number.isFinite(cy)) return undefined
  const isRight = cx > size.width / 2
  const isHigh = cy < size.top + 18
  return markup`${element("circle", { cx, cy, r: 6, class: "best" })}${
    label(cx + (isRight ? -10 : 10), isHigh ? cy + 18 : cy - 8, mark.label, {
      "text-anchor": isRight ? "end" : "start",
      class: "mark-label"
    })
  }`
}

const referenceLine = ({ reference }: LineChart, y: (value: number) => number): Html | undefined =>
  reference === undefined || !Number.isFinite(y(reference.value)) ?
    undefined :
    markup`${line(size.left, y(reference.value), size.width - size.right, y(reference.value), { class: "reference" })}${
      label(size.width - size.right, y(reference.value) - 5, reference.label, { "text-anchor": "end", class: "axis" })
    }`

const legend = (series: ReadonlyArray<Series>): Html | undefined =>
  series.length < 2 ?
    undefined :
    markup`<ul class="legend">${
      series.map(({ label, color = "", dash = "solid" }) =>
        markup`<li><i style="border-top:3px ${dash} ${color}"></i>${label}</li>`
      )
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
