import { type Html, markup } from "./html.ts"
import { lineChart, orderedColor, type Series, seriesColor, smoothed } from "./lineChart.ts"
import type { LogEntry } from "./logEntry.ts"
import { section } from "./reportSections.ts"

/** How training went: loss, accuracy, lambda per layer of each tower, logit scale, learning rate. */
export const curvesSection = (log: ReadonlyArray<LogEntry>, lossOfChance?: number): Html | undefined => {
  if (log.length === 0) return undefined
  const curve = (label: string, of: (entry: LogEntry) => number): Series => ({
    label,
    points: log.map((entry) => [entry.step, of(entry)] as const)
  })
  const measured = (label: string, of: (entry: LogEntry) => number): ReadonlyArray<Series> => {
    const series = { ...curve(label, of), color: seriesColor(0) }
    return [{ ...series, weight: "raw" }, { ...series, points: smoothed(series.points, Math.max(2, log.length / 60)) }]
  }
  const xLabel = "step"
  const reference = lossOfChance === undefined ? {} : { reference: { label: "guessing", value: lossOfChance } }
  const charts = [
    lineChart({ title: "Loss", series: measured("loss", (entry) => entry.loss), xLabel, ...reference }),
    lineChart({ title: "Accuracy within the batch", series: measured("accuracy", (entry) => entry.accuracy), xLabel }),
    ...lambdaSeries(log).map(({ tower, series }) =>
      lineChart({ title: `λ of each layer${tower === "" ? "" : `, ${tower}`}`, series, xLabel })
    ),
    lineChart({ title: "Logit scale", series: [curve("logit scale", (entry) => entry.logitScale)], xLabel }),
    lineChart({ title: "Learning rate", series: [curve("learning rate", (entry) => entry.lr)], xLabel })
  ]
  return section(
    "How it learned",
    "The loss starts at the level of guessing and leaves it once pictures and captions begin to find each other; λ is " +
      "how much of its second attention map each layer subtracts from its first.",
    markup`<div class="charts">${charts}</div>`
  )
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
