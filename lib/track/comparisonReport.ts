import { type ComparedRow, type ComparedRun, configDifferences, differInPairs, finalRows } from "./comparison.ts"
import { formatBytes, formatNumber, formatPercent } from "./format.ts"
import { type Html, markup } from "./html.ts"
import { type LineChart, lineChart, type Series, seriesColor, seriesDash } from "./lineChart.ts"
import type { LogEntry } from "./logEntry.ts"
import { renderPage } from "./page.ts"
import { shorten } from "./plainText.ts"
import { smoothLog } from "./reportCurves.ts"
import { metricName } from "./reportResults.ts"
import { maxShown, section } from "./reportSections.ts"
import { capital, metricNames, metricPoints } from "./reportValidation.ts"
import { statusText, summaryRows } from "./summary.ts"

/**
 * Runs side by side: how they ended with differences to the first, curves over each other, the fields of the
 * configuration that are not the same, and the summaries. Self-contained; nothing in it runs.
 */
export const renderComparison = (runs: ReadonlyArray<ComparedRun>): string => {
  const names = runs.map(({ name }) => name)
  return renderPage(
    `${names.join(", ")} – DiffCLIP runs compared`,
    "diffclip run",
    markup`<header>
<h1>${runs.length} runs compared</h1>
<p class="lede">Differences are to ${names[0] ?? "the first run"}, the first of them.</p>
${keyOf(runs)}
</header>`,
    finalSection(runs),
    curvesSection(runs),
    differencesSection(runs),
    summariesSection(runs)
  )
}

/** Which line is which run, once for the page. */
const keyOf = (runs: ReadonlyArray<ComparedRun>): Html =>
  markup`<ul class="legend key">${
    runs.map(({ name, summary }, i) =>
      markup`<li><i style="border-top:3px ${seriesDash(i)} ${seriesColor(i)}"></i>${name}<small> ${
        statusText(summary.status)
      }</small></li>`
    )
  }</ul>`

const header = (runs: ReadonlyArray<ComparedRun>, first: string): Html =>
  markup`<thead><tr><th scope="col">${first}</th>${
    runs.map(({ name }) => markup`<th scope="col">${name}</th>`)
  }</tr></thead>`

const finalSection = (runs: ReadonlyArray<ComparedRun>): Html =>
  section(
    "How they ended",
    differInPairs(runs) ?
      "Losses of runs with different batch sizes do not compare: a larger batch has more wrong captions to choose from. " +
      "Validation metrics do, where the data are the same." :
      "Smoothed figures are those of the curves below; differences of shares are in percentage points.",
    markup`<div class="scroll"><table class="compared">${header(runs, "figure")}<tbody>${
      finalRows(runs).map(finalRow)
    }</tbody></table></div>`
  )

const finalRow = ({ name, cells }: ComparedRow): Html =>
  markup`<tr><th scope="row">${name}</th>${
    cells.map(({ value, difference }) =>
      markup`<td><b>${value}</b>${difference === undefined ? undefined : markup`<small>${difference}</small>`}</td>`
    )
  }</tr>`

/** What the curves stand over. */
interface Axis {
  readonly label: string
  readonly of: (run: ComparedRun) => (step: number) => number
}

const steps: Axis = { label: "step", of: () => (step) => step }
const pairs: Axis = { label: "pairs seen", of: ({ summary }) => (step) => step * summary.pairsPerStep }

const curvesSection = (runs: ReadonlyArray<ComparedRun>): Html | undefined => {
  if (runs.every(({ log }) => log.length === 0)) return undefined
  const [first] = runs
  if (!differInPairs(runs)) {
    const sentence = `Each run takes ${formatNumber(first?.summary.pairsPerStep ?? NaN)} pairs a step, so that equal ` +
      "steps are equal numbers of pairs seen. Noisy curves are smoothed."
    return section("How they learned", sentence, markup`<div class="charts">${charts(runs, steps)}</div>`)
  }
  return section(
    "How they learned",
    "The runs take different numbers of pairs a step: choose what to align them by. Noisy curves are smoothed.",
    markup`<fieldset class="switch"><legend>Align by</legend>
<input type="radio" name="axis" id="by-step" checked><label for="by-step">steps</label>
<input type="radio" name="axis" id="by-pairs"><label for="by-pairs">pairs seen</label>
<div class="charts by-step">${charts(runs, steps)}</div>
<div class="charts by-pairs">${charts(runs, pairs)}</div></fieldset>`
  )
}

const charts = (runs: ReadonlyArray<ComparedRun>, axis: Axis): ReadonlyArray<Html> => {
  const overlaid = (
    title: string,
    points: (run: ComparedRun) => ReadonlyArray<readonly [x: number, y: number]>,
    options: Pick<LineChart, "format" | "yScale" | "hasZero"> & { readonly weight?: "dots" } = {}
  ): ReadonlyArray<Html> => {
    const { weight = "full", ...rest } = options
    const series = runs.map((run, i): Series => ({
      label: run.name,
      points: points(run).map(([step, y]) => [axis.of(run)(step), y] as const),
      color: seriesColor(i),
      dash: seriesDash(i),
      weight
    })).filter((one) => one.points.some(([, y]) => Number.isFinite(y)))
    return series.length === 0 ? [] : [lineChart({ title, series, xLabel: axis.label, ...rest })]
  }
  const plain = (of: (entry: LogEntry) => number) => ({ log }: ComparedRun) =>
    log.map((entry) => [entry.step, of(entry)] as const)
  const calm = (of: (entry: LogEntry) => number, scale: "linear" | "log" = "linear") => (run: ComparedRun) =>
    smoothLog(plain(of)(run), scale)
  const metrics = [...new Set(runs.flatMap(({ validation }) => metricNames(validation)))]
  return [
    ...overlaid("Loss", calm(({ loss }) => loss)),
    ...overlaid("Accuracy within the batch", calm(({ accuracy }) => accuracy), { format: formatPercent }),
    ...metrics.flatMap((name) =>
      overlaid(capital(metricName(name)), ({ validation }) => metricPoints(validation, name), {
        format: formatPercent,
        weight: "dots"
      })
    ),
    ...overlaid("λ, mean over the layers", plain(({ lambda }) => mean(Object.values(lambda)))),
    ...overlaid("Logit scale", plain(({ logitScale }) => logitScale)),
    ...overlaid("Learning rate", plain(({ lr }) => lr)),
    ...overlaid("Gradient norm", calm(({ gradNorm }) => gradNorm, "log"), { yScale: "log" }),
    ...overlaid("Pairs per second", calm(({ pairsPerSecond }) => pairsPerSecond), { hasZero: true }),
    ...overlaid("Peak memory", plain(({ peakBytes }) => peakBytes), { format: formatBytes, hasZero: true })
  ]
}

const mean = (values: ReadonlyArray<number>): number =>
  values.length === 0 ? NaN : values.reduce((sum, value) => sum + value, 0) / values.length

const differencesSection = (runs: ReadonlyArray<ComparedRun>): Html => {
  const rows = configDifferences(runs)
  return rows.length === 0 ? section("What was different", "Nothing: the runs have the same configuration.") : section(
    "What was different",
    rows.length === 1 ? "One field of the configuration." : `${rows.length} fields of the configuration.`,
    markup`<div class="scroll"><table class="compared plain">${header(runs, "field")}<tbody>${
      rows.map(({ path, values }) =>
        markup`<tr><th scope="row">${path}</th>${
          values.map((value) => markup`<td>${shorten(value ?? "–", maxShown)}</td>`)
        }</tr>`
      )
    }</tbody></table></div>`
  )
}

const summariesSection = (runs: ReadonlyArray<ComparedRun>): Html => {
  const rows = runs.map(({ summary }) =>
    new Map([
      ["status", statusText(summary.status)],
      ...summaryRows(summary).map(({ name, value }) => [name, value] as const)
    ])
  )
  const names = [...new Set(rows.flatMap((row) => [...row.keys()]))]
  return section(
    "Side by side",
    "The summary of each run, as its own page has it.",
    markup`<div class="scroll"><table class="compared plain">${header(runs, "")}<tbody>${
      names.map((name) =>
        markup`<tr><th scope="row">${name}</th>${rows.map((row) => markup`<td>${row.get(name) ?? "–"}</td>`)}</tr>`
      )
    }</tbody></table></div>`
  )
}
