import { formatNumber } from "./format.ts"
import { type Html, markup } from "./html.ts"
import type { LineChart, Series } from "./lineChart.ts"

/** A chart in a sentence, for those who hear it: where each curve begins, ends and is lowest and highest. */
export const chartSentence = ({ title, series, xLabel, format = formatNumber }: LineChart): string => {
  const curves = series.filter(({ weight }) => weight !== "raw").slice(0, 8)
  const told = curves.map(({ label, points }) => {
    const found = points.filter(([, y]) => Number.isFinite(y))
    const [first, last] = [found.at(0), found.at(-1)]
    if (first === undefined || last === undefined) return `${label}: no values`
    const least = found.reduce((a, b) => b[1] < a[1] ? b : a)
    const greatest = found.reduce((a, b) => b[1] > a[1] ? b : a)
    const at = ([x, y]: readonly [number, number]): string => `${format(y)} at ${xLabel} ${formatNumber(x)}`
    return `${label}: from ${at(first)} to ${at(last)}, lowest ${at(least)}, highest ${at(greatest)}`
  })
  return [`${title} over ${xLabel}`, ...told].join(". ")
}

/** How many rows the table under a chart has at most. */
const numRows = 11

/** The numbers behind a chart as a table that unfolds: at most eleven rows, evenly spread, the last one always. */
export const chartNumbers = ({ series, xLabel, format = formatNumber }: LineChart): Html | undefined => {
  const xs = [...new Set(series.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b)
  if (xs.length === 0) return undefined
  const count = Math.min(numRows, xs.length)
  const rows = Array.from(
    { length: count },
    (_, i) => xs[count === 1 ? 0 : Math.round(i * (xs.length - 1) / (count - 1))] ?? NaN
  )
  return markup`<details class="numbers"><summary>Numbers</summary><div class="scroll"><table><thead><tr><th scope="col">${xLabel}</th>${
    series.map(({ label }) => markup`<th scope="col">${label}</th>`)
  }</tr></thead><tbody>${
    rows.map((x) =>
      markup`<tr><th scope="row">${formatNumber(x)}</th>${
        series.map(({ points }) => markup`<td>${told(valueAt(points, x), format)}</td>`)
      }</tr>`
    )
  }</tbody></table></div></details>`
}

/** The value of a curve at x: its last point at or before it; none before its first and after its last point. */
export const valueAt = (points: Series["points"], x: number): number | undefined => {
  const last = points.at(-1)
  if (last === undefined || x > last[0]) return undefined
  return points.findLast(([px]) => px <= x)?.[1]
}

const told = (value: number | undefined, format: (value: number) => string): string =>
  value === undefined || !Number.isFinite(value) ? "–" : format(value)
