import { formatDuration, formatNumber, formatPercent } from "./format.ts"
import { type Html, markup } from "./html.ts"
import type { LogEntry } from "./logEntry.ts"
import { renderPage } from "./page.ts"
import { curvesSection, speedSection } from "./reportCurves.ts"
import { metricName } from "./reportResults.ts"
import { configSection, factsList, highlightTiles, section } from "./reportSections.ts"
import { validationSection } from "./reportValidation.ts"
import { lossText, type RunSummary, statusText, summaryRows } from "./summary.ts"
import type { ValidationEntry } from "./validationEntry.ts"

/** A name and what to say under it. */
export interface Fact {
  readonly name: string
  readonly value: string
}

/** All that is known of a run, as plain data; texts may be foreign. */
export interface RunReport {
  /** The run's name: its directory. */
  readonly name: string
  readonly summary: RunSummary
  readonly log: ReadonlyArray<LogEntry>
  readonly validation: ReadonlyArray<ValidationEntry>
  /** The loss of a guess, ln(batch size). */
  readonly lossOfChance?: number
  /** Model, data set, sizes. */
  readonly facts: ReadonlyArray<Fact>
  /** Engine path, versions, command. */
  readonly environment: ReadonlyArray<Fact>
  /** The resolved configuration: any JSON. */
  readonly config?: unknown
}

/** The page of one run, written when training ends and by `diffclip report RUN`. Self-contained; nothing in it runs. */
export const renderRunReport = (run: RunReport): string =>
  renderPage(
    `${run.name} – DiffCLIP run`,
    "diffclip run",
    markup`<header>
<h1>${run.name}</h1>
<p class="lede">${lede(run)}</p>
${highlightTiles(tiles(run.summary))}
${factsList(run.facts)}
</header>`,
    run.log.length === 0 ?
      section(
        "No steps yet",
        "The log of this run is empty: it stopped before its first step, or nothing was logged."
      ) :
      undefined,
    section(
      "In numbers",
      "Every figure follows from log.jsonl and validation.jsonl beside this page.",
      summaryTable(run.summary)
    ),
    validationSection(run.validation, run.summary.best),
    curvesSection(run.log, run.lossOfChance),
    speedSection(run.log),
    environmentSection(run.environment),
    configSection(run.config)
  )

const lede = ({ summary, facts }: RunReport): string => {
  const { status, step, totalSteps } = summary
  const told = (name: string): string | undefined => facts.find((fact) => fact.name === name)?.value
  const what = [told("model"), told("data set")].filter((value) => value !== undefined).join(" on ")
  const how = status === "finished" ?
    step < totalSteps ?
      `finished early, after ${formatNumber(step)} of ${formatNumber(totalSteps)} steps` :
      `finished all ${formatNumber(totalSteps)} steps` :
    `${statusText(status)} at step ${formatNumber(step)} of ${formatNumber(totalSteps)}`
  return `${what === "" ? "This run" : what}: ${how}.`
}

const tiles = (
  { lastLoss, best, pairsPerSecond, seconds }: RunSummary
): ReadonlyArray<{ value: string; label: string }> => [
  ...(lastLoss === undefined ? [] : [{ value: lossText(lastLoss), label: "loss at the last step" }]),
  ...(best === undefined ? [] : [{
    value: formatPercent(best.value),
    label: `${metricName(best.metric)}, best at step ${formatNumber(best.step)}`
  }]),
  ...(pairsPerSecond === undefined ?
    [] :
    [{ value: formatNumber(pairsPerSecond, 3), label: "pairs per second, median" }]),
  { value: formatDuration(seconds), label: "training time" }
]

const summaryTable = (summary: RunSummary): Html =>
  markup`<div class="scroll"><table class="summary"><tbody>${
    summaryRows(summary).map(({ name, value }) => markup`<tr><th scope="row">${name}</th><td>${value}</td></tr>`)
  }</tbody></table></div>`

const environmentSection = (environment: ReadonlyArray<Fact>): Html | undefined =>
  environment.length === 0 ? undefined : section(
    "Where it ran",
    "A run resumed on the same engine path, runtime and library goes on bit for bit on a CPU.",
    markup`<div class="scroll"><table class="summary"><tbody>${
      environment.map(({ name, value }) => markup`<tr><th scope="row">${name}</th><td>${value}</td></tr>`)
    }</tbody></table></div>`
  )
