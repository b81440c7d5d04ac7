import { formatBytes, formatPercent } from "./format.ts"
import { type Html, markup } from "./html.ts"
import { lineChart, orderedColor, type Series, seriesColor } from "./lineChart.ts"
import type { LogEntry } from "./logEntry.ts"
import { section } from "./reportSections.ts"
import { smoothed } from "./smoothed.ts"

/** How training went: loss, accuracy, lambda per layer of each tower, logit scale, learning rate, gradient. */
export const curvesSection = (log: ReadonlyArray<LogEntry>, lossOfChance?: number): Html | undefined => {
  if (log.length === 0) return undefined
  const reference = lossOfChance === undefined ? {} : { reference: { label: "guessing", value: lossOfChance } }
  const charts = [
    lineChart({ title: "Loss", series: measured(log, "loss"), xLabel, ...reference }),
    lineChart({
      title: "Accuracy within the batch",
      series: measured(log, "accuracy"),
      xLabel,
      format: formatPercent
    }),
    ...lambdaSeries(log).map(({ tower, series }) =>
      lineChart({ title: `λ of each layer${tower === "" ? "" : `, ${tower}`}`, series, xLabel })
    ),
    lineChart({ title: "Logit scale", series: [curve(log, "logit scale", "logitScale")], xLabel }),
    lineChart({ title: "Learning rate", series: [curve(log, "learning rate", "lr")], xLabel }),
    lineChart({
      title: "Gradient norm",
      series: measured(log, "gradNorm", "gradient norm", "log"),
      xLabel,
      yScale: "log"
    })
  ]
  return section(
    "How it learned",
    "The loss starts at the level of guessing and leaves it once pictures and captions begin to find each other" +
      (lambdaSeries(log).length === 0 ?
        "." :
        "; λ is how much of its second attention map each layer subtracts from its first."),
    markup`<div class="charts">${charts}</div>`
  )
}

/** What training cost: throughput, the wait for data, memory. */
export const speedSection = (log: ReadonlyArray<LogEntry>): Html | undefined =>
  log.length === 0 ? undefined : section(
    "How fast it went",
    "Where the wait for data is a large share of a step, more workers or a faster disk would help; the rest is the engine.",
    markup`<div class="charts">${[
      lineChart({
        title: "Pairs per second",
        series: measured(log, "pairsPerSecond", "pairs per second"),
        xLabel,
        hasZero: true
      }),
      lineChart({
        title: "Wait for data, ms a step",
        series: measured(log, "dataWaitMs", "wait in ms"),
        xLabel,
        hasZero: true
      }),
      lineChart({
        title: "Peak memory",
        series: [curve(log, "peak memory", "peakBytes")],
        xLabel,
        hasZero: true,
        format: formatBytes
      })
    ]}</div>`
  )

const xLabel = "step"

/** The keys of a log entry that hold one number. */
export type LogFigure = Exclude<keyof LogEntry, "lambda" | "step">

/** A figure of the log over the steps. */
export const curve = (log: ReadonlyArray<LogEntry>, label: string, figure: LogFigure): Series => ({
  label,
  points: log.map((entry) => [entry.step, entry[figure]] as const),
  color: seriesColor(0)
})

/** The same where it is noisy: what was measured, faint, under its smoothed curve. */
export const measured = (
  log: ReadonlyArray<LogEntry>,
  figure: LogFigure,
  label: string = figure,
  scale: "linear" | "log" = "linear"
): ReadonlyArray<Series> => {
  const series = curve(log, label, figure)
  if (log.length < 8) return [series]
  return [{ ...series, weight: "raw" }, {
    ...series,
    label: `${label}, smoothed`,
    points: smoothLog(series.points, scale)
  }]
}

/** Smoothed so much that a curve over any number of steps reads alike. */
export const smoothLog = (points: Series["points"], scale: "linear" | "log" = "linear"): Series["points"] => {
  const span = Math.max(2, points.length / 60)
  if (scale === "linear") return smoothed(points, span)
  // On a logarithmic scale a mean of values would follow the largest and lie above the curve.
  const logs = points.map(([x, y]) => [x, y > 0 ? Math.log(y) : NaN] as const)
  return smoothed(logs, span).map(([x, y]) => [x, Math.exp(y)] as const)
}

/** Lambdas by tower (the name up to its number), layers in order and shaded from the first to the last. */
const lambdaSeries = (
  log: ReadonlyArray<LogEntry>
): ReadonlyArray<{ readonly tower: string; readonly series: ReadonlyArray<Series> }> => {
  const names = [...new Set(log.flatMap(({ lambda }) => Object.keys(lambda)))]
  const towers = Map.groupBy(names, (name) => name.replace(/[^\p{L}]*\d.*$/u, ""))
  return [...towers].map(([tower, members]) => {
    const ordered = members.toSorted((a, b) => a.localeCompare(b, "en", { numeric: true }))
    const series = ordered.map((name, layer) => ({
      label: `layer ${layer + 1}`,
      points: log.map((entry) => [entry.step, entry.lambda[name] ?? NaN] as const),
      color: orderedColor(ordered.length < 2 ? 1 : layer / (ordered.length - 1))
    }))
    return { tower, series }
  })
}
