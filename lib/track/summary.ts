import { formatBytes, formatDuration, formatNumber, formatPercent } from "./format.ts"
import type { LogEntry } from "./logEntry.ts"
import { plainText } from "./plainText.ts"
import { metricName } from "./reportResults.ts"
import type { ValidationEntry } from "./validationEntry.ts"

/** How a run stands: done, stopped by a signal, failed, or without an end on record (it runs still, or was killed). */
export type RunStatus = "finished" | "stopped" | "failed" | "unfinished"

/** What the log does not say about a run. */
export interface SummaryFacts {
  readonly status: RunStatus
  /** Steps that the run was planned for. */
  readonly totalSteps: number
  /** Pairs that a step takes. */
  readonly pairsPerStep: number
  /** Time that the run took, all its sessions together; without it, what the log's steps took. */
  readonly seconds?: number
  /** The newest checkpoint. */
  readonly checkpoint?: string
  /** Samples that were skipped as unusable; absent where nothing counts them. */
  readonly numSkipped?: number
  /** Where the report lies. */
  readonly report?: string
}

/** What a run came to. Figures that need a step or a validation are absent where there is none. */
export interface RunSummary extends SummaryFacts {
  /** The last step in the log. */
  readonly step: number
  /** Pairs seen up to there. */
  readonly pairs: number
  readonly seconds: number
  /** The median over the log. */
  readonly pairsPerSecond?: number
  readonly firstLoss?: number
  readonly lastLoss?: number
  /** The best validation, by the metric that decides. */
  readonly best?: {
    readonly metric: string
    readonly value: number
    readonly chance?: number
    readonly step: number
  }
  readonly peakBytes?: number
}

/** Sums a run up. Every figure is one of the log, or follows from its lines alone. */
export const summarize = (
  log: ReadonlyArray<LogEntry>,
  validation: ReadonlyArray<ValidationEntry>,
  facts: SummaryFacts
): RunSummary => {
  const [first, last] = [log.at(0), log.at(-1)]
  const best = bestOf(validation)
  const step = last?.step ?? 0
  return {
    ...facts,
    step,
    pairs: step * facts.pairsPerStep,
    seconds: facts.seconds ?? secondsInSteps(log, facts.pairsPerStep),
    ...(first === undefined || last === undefined ? {} : {
      pairsPerSecond: median(log.map(({ pairsPerSecond }) => pairsPerSecond)),
      firstLoss: first.loss,
      lastLoss: last.loss,
      peakBytes: log.reduce((most, { peakBytes }) => Math.max(most, peakBytes), 0)
    }),
    ...(best === undefined ? {} : { best })
  }
}

/** The last entry that was better than all before it. */
const bestOf = (validation: ReadonlyArray<ValidationEntry>): RunSummary["best"] => {
  const entry = validation.findLast(({ isBest }) => isBest)
  const value = entry?.validation[entry.metric]
  if (entry === undefined || value === undefined) return undefined
  const { metric, step } = entry
  const chance = entry.chance[metric]
  return { metric, value, step, ...(chance === undefined ? {} : { chance }) }
}

/** Time that the logged steps took; a line stands for the steps since the line before it, the first since `begin`. */
export const secondsInSteps = (log: ReadonlyArray<LogEntry>, pairsPerStep: number, begin: number = 0): number => {
  let [seconds, before] = [0, begin]
  for (const { step, pairsPerSecond } of log) {
    if (pairsPerSecond > 0) seconds += (step - before) * pairsPerStep / pairsPerSecond
    before = step
  }
  return seconds
}

/** The median of what is finite; NaN of nothing. */
export const median = (values: ReadonlyArray<number>): number => {
  const ordered = values.filter(Number.isFinite).sort((a, b) => a - b)
  const middle = (ordered.length - 1) / 2
  return ((ordered[Math.floor(middle)] ?? NaN) + (ordered[Math.ceil(middle)] ?? NaN)) / 2
}

const statusWords: Readonly<Record<RunStatus, string>> = {
  finished: "trained",
  stopped: "stopped, to be resumed",
  failed: "failed",
  unfinished: "not finished"
}

/** The status in words. */
export const statusText = (status: RunStatus): string => statusWords[status]

/** The summary as names and values, in the order of reading; for a terminal and a page. */
export const summaryRows = (summary: RunSummary): ReadonlyArray<{ readonly name: string; readonly value: string }> => {
  const { step, totalSteps, pairs, seconds, pairsPerSecond, firstLoss, lastLoss, best, peakBytes } = summary
  const row = (name: string, value: string | undefined) => value === undefined ? [] : [{ name, value }]
  return [
    ...row("steps", `${formatNumber(step)} of ${formatNumber(totalSteps)} (${formatNumber(pairs)} pairs)`),
    ...row("time", formatDuration(seconds)),
    ...row("speed", pairsPerSecond === undefined ? undefined : `${formatNumber(pairsPerSecond, 3)} pairs/s (median)`),
    ...row(
      "loss",
      firstLoss === undefined || lastLoss === undefined ? undefined : `${lossText(firstLoss)} → ${lossText(lastLoss)}`
    ),
    ...row("best", best === undefined ? undefined : bestText(best)),
    ...row("peak memory", peakBytes === undefined ? undefined : formatBytes(peakBytes)),
    ...row("skipped samples", summary.numSkipped === undefined ? undefined : formatNumber(summary.numSkipped)),
    ...row("checkpoint", summary.checkpoint),
    ...row("report", summary.report)
  ]
}

/** The best validation in words: `right at first guess 12.3 % at step 40 (chance 2.5 %)`. */
export const bestText = ({ metric, value, chance, step }: NonNullable<RunSummary["best"]>): string =>
  `${metricName(metric)} ${formatPercent(value)} at step ${formatNumber(step)}` +
  (chance === undefined ? "" : ` (chance ${formatPercent(chance)})`)

/** A loss with four places. */
export const lossText = (loss: number): string => Number.isFinite(loss) ? loss.toFixed(4) : String(loss)

/** The summary for a terminal: a heading and two columns. Foreign words lose their control characters. */
export const summaryText = (summary: RunSummary, bold: (text: string) => string = (text) => text): string => {
  const rows = summaryRows(summary)
  const width = Math.max(...rows.map(({ name }) => name.length))
  return [
    bold(statusText(summary.status)),
    ...rows.map(({ name, value }) => `  ${name.padEnd(width)}  ${plainText(value)}`)
  ].join("\n")
}

/** The summary as one JSON object; figures that are absent or not finite are absent or null. */
export const summaryJson = (summary: RunSummary): string => JSON.stringify({ type: "summary", ...summary })
