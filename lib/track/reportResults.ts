import type { Evaluation } from "../api/evaluation.ts"
import { chanceAxis, chanceMark, fractionScale } from "./chanceMark.ts"
import { formatNumber, formatPercent, formatTimes } from "./format.ts"
import { type Html, markup } from "./html.ts"
import type { ReportResult } from "./report.ts"
import { section } from "./reportSections.ts"
import type { Scale } from "./scale.ts"

/** Every number with the one that a guess would reach. */
export const resultsSection = (results: ReadonlyArray<ReportResult>, note?: string): Html | undefined => {
  if (results.length === 0) return undefined
  const fractions = results.flatMap(({ evaluation }) => [
    ...Object.values(evaluation.chance),
    ...Object.values(evaluation.metrics)
  ])
  const scale = fractionScale(fractions)
  return section(
    "Results",
    markup`Recall@5 is how often, of all captions, the right picture is among the five nearest (and of all pictures, the
right caption); chance is what guessing reaches. <span class="of-plot">On the right, the tick is chance and the dot the
model; the scale is logarithmic, so the length of a bar is how many times chance.</span>${
      note === undefined ? "" : ` ${note}`
    }`,
    markup`<div class="scroll"><table class="results"><thead><tr><th scope="col">Metric</th><th scope="col">Model</th>
<th scope="col">Chance</th><th scope="col">× chance</th><th>${chanceAxis(scale)}</th></tr></thead>${
      results.map((result) => resultRows(result, scale))
    }</table></div>`
  )
}

/** A metric in words; a name that is not known stays as it is. */
export const metricName = (name: string): string => {
  const [, side, k] = /^(image|text)RetrievalRecall@(\d+)$/.exec(name) ?? []
  if (side !== undefined) return `${side === "image" ? "caption to picture" : "picture to caption"}, recall@${k}`
  return metricNames[name] ?? name
}

const metricNames: Readonly<Record<string, string>> = {
  top1: "right at first guess",
  top5: "right within five",
  meanPerClass: "mean over classes"
}

const resultRows = ({ title, note, evaluation }: ReportResult, scale: Scale): Html =>
  markup`<tbody><tr class="group"><th colspan="5" scope="rowgroup">${title}${
    note === undefined ? undefined : markup`<small>${note}</small>`
  }<small>${claimOf(evaluation)}</small></th></tr>${
    Object.entries(evaluation.metrics).map(([name, value]) => {
      const chance = evaluation.chance[name]
      return markup`<tr><th scope="row">${metricName(name)}</th><td class="value">${formatPercent(value)}</td><td>${
        chance === undefined ? "–" : formatPercent(chance)
      }</td><td>${chance === undefined ? "–" : formatTimes(value, chance)}</td><td class="plot">${
        chance === undefined ? undefined : chanceMark(scale, value, chance)
      }</td></tr>`
    })
  }</tbody>`

const claimOf = ({ protocol, dataset, n }: Evaluation): string => `${protocol} on ${dataset}, n = ${formatNumber(n, 4)}`
