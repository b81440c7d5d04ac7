import { formatNumber, formatPercent } from "./format.ts"
import { type Html, markup } from "./html.ts"
import { lineChart } from "./lineChart.ts"
import { section } from "./reportSections.ts"
import { metricName } from "./reportResults.ts"
import { bestText, type RunSummary } from "./summary.ts"
import type { ValidationEntry } from "./validationEntry.ts"

/** What an evaluator found while training went on: the deciding metric with its best marked, the others, a table. */
export const validationSection = (
  validation: ReadonlyArray<ValidationEntry>,
  best: RunSummary["best"]
): Html | undefined => {
  const last = validation.at(-1)
  if (last === undefined) return undefined
  const names = [last.metric, ...metricNames(validation).filter((name) => name !== last.metric)]
  return section(
    "Validation",
    `Asked while training went on: ${last.protocol} on ${last.dataset}, n = ${formatNumber(last.n)}.` +
      (best === undefined ? "" : ` Best: ${bestText(best)}.`),
    markup`<div class="charts">${
      names.map((name) => {
        const chance = last.chance[name]
        return lineChart({
          title: capital(metricName(name)),
          series: [{ label: metricName(name), points: metricPoints(validation, name), weight: "dots" }],
          xLabel: "step",
          format: formatPercent,
          ...(chance === undefined ? {} : { reference: { label: "chance", value: chance } }),
          ...(best === undefined || best.metric !== name ? {} : {
            marks: [{ x: best.step, y: best.value, label: `best ${formatPercent(best.value)}` }]
          })
        })
      })
    }</div>`
  )
}

/** Every metric that was told, in the order of telling. */
export const metricNames = (validation: ReadonlyArray<ValidationEntry>): ReadonlyArray<string> => [
  ...new Set(validation.flatMap((entry) => Object.keys(entry.validation)))
]

/** A metric over the steps at which it was asked. */
export const metricPoints = (
  validation: ReadonlyArray<ValidationEntry>,
  name: string
): ReadonlyArray<readonly [x: number, y: number]> =>
  validation.map((entry) => [entry.step, entry.validation[name] ?? NaN] as const)

/** The text with a capital letter at its head. */
export const capital = (text: string): string => {
  const [first = "", ...rest] = Array.from(text)
  return first.toUpperCase() + rest.join("")
}
