import { formatBytes, formatDifference, formatDuration, formatNumber, formatPercent } from "./format.ts"
import { valueAt } from "./chartNumbers.ts"
import type { LogEntry } from "./logEntry.ts"
import { smoothLog } from "./reportCurves.ts"
import { plainText } from "./plainText.ts"
import { metricName } from "./reportResults.ts"
import { pathsOf } from "./reportSections.ts"
import { metricNames, metricPoints } from "./reportValidation.ts"
import { lossText, type RunSummary } from "./summary.ts"
import type { ValidationEntry } from "./validationEntry.ts"

/** A run among others. */
export interface ComparedRun {
  /** Told apart by name: no two are the same. */
  readonly name: string
  readonly summary: RunSummary
  readonly log: ReadonlyArray<LogEntry>
  readonly validation: ReadonlyArray<ValidationEntry>
  readonly config?: unknown
}

/** A row of a table with a column a run: how its value reads there, and its difference to the first run's. */
export interface ComparedRow {
  readonly name: string
  readonly cells: ReadonlyArray<{ readonly value: string; readonly difference?: string }>
}

/** A field of the configuration in which runs differ, with a column a run; undefined where a run has no such field. */
export interface ConfigDifference {
  readonly path: string
  readonly values: ReadonlyArray<string | undefined>
}

/** The fields of the configurations that are not the same in all runs, in the order of the first that has them. */
export const configDifferences = (runs: ReadonlyArray<ComparedRun>): ReadonlyArray<ConfigDifference> => {
  const records = runs.map(({ config }) => new Map(config === undefined ? [] : pathsOf("", config)))
  const paths = [...new Set(records.flatMap((record) => [...record.keys()]))]
  return paths
    .map((path) => ({ path, values: records.map((record) => record.get(path)) }))
    .filter(({ values }) => new Set(values).size > 1)
}

/** Whether the runs take different numbers of pairs a step, so that steps alone do not align them. */
export const differInPairs = (runs: ReadonlyArray<ComparedRun>): boolean =>
  new Set(runs.map(({ summary }) => summary.pairsPerStep)).size > 1

/**
 * How the runs ended, with differences to the first: loss and accuracy where all are comparable, at the last step that all
 * have reached and after the last number of pairs that all have seen (both smoothed as in the curves), each validation
 * metric, speed, time and memory.
 */
export const finalRows = (runs: ReadonlyArray<ComparedRun>): ReadonlyArray<ComparedRow> => {
  const commonStep = Math.min(...runs.map(({ summary }) => summary.step))
  const commonPairs = Math.min(...runs.map(({ summary }) => summary.pairs))
  const at = (figure: "loss" | "accuracy", x: (run: ComparedRun) => number) => (run: ComparedRun): number =>
    valueAt(smoothLog(run.log.map((entry) => [entry.step, entry[figure]] as const)), x(run)) ?? NaN
  const byStep = (): number => commonStep
  const byPairs = ({ summary }: ComparedRun): number => Math.floor(commonPairs / summary.pairsPerStep)
  const metrics = [...new Set(runs.flatMap(({ validation }) => metricNames(validation)))]
  return [
    row(runs, "loss at the last step", ({ summary }) => summary.lastLoss, lossText),
    row(runs, `loss at step ${formatNumber(commonStep)}, smoothed`, at("loss", byStep), lossText),
    ...(differInPairs(runs) ?
      [row(runs, `loss after ${formatNumber(commonPairs)} pairs, smoothed`, at("loss", byPairs), lossText)] :
      []),
    row(runs, "accuracy within the batch at the last step", ({ log }) => log.at(-1)?.accuracy, formatPercent, points),
    row(runs, `accuracy at step ${formatNumber(commonStep)}, smoothed`, at("accuracy", byStep), formatPercent, points),
    ...metrics.flatMap((name) => {
      const last = ({ validation }: ComparedRun) => metricPoints(validation, name).at(-1)?.[1]
      const best = ({ summary }: ComparedRun) => summary.best?.metric === name ? summary.best.value : undefined
      return [
        row(runs, `${metricName(name)}, last`, last, formatPercent, points),
        row(runs, `${metricName(name)}, best`, best, formatPercent, points)
      ]
    }),
    row(runs, "pairs per second, median", ({ summary }) => summary.pairsPerSecond, (x) => formatNumber(x, 3)),
    row(runs, "time", ({ summary }) => summary.seconds, formatDuration),
    row(runs, "peak memory", ({ summary }) => summary.peakBytes, formatBytes)
  ].filter(({ cells }) => cells.some(({ value }) => value !== "–"))
}

/** A difference between two shares, in percentage points. */
const points = (share: number): string => `${(100 * share).toFixed(share < 0.01 ? 2 : 1)} points`

const row = (
  runs: ReadonlyArray<ComparedRun>,
  name: string,
  of: (run: ComparedRun) => number | undefined,
  format: (value: number) => string,
  formatSize: (size: number) => string = format
): ComparedRow => {
  const values = runs.map((run) => of(run) ?? NaN)
  const [first = NaN] = values
  return {
    name,
    cells: values.map((value, i) => {
      if (!Number.isFinite(value)) return { value: "–" }
      const isCompared = i > 0 && Number.isFinite(first)
      return {
        value: format(value),
        ...(isCompared ? { difference: formatDifference(value - first, formatSize) } : {})
      }
    })
  }
}

/** Names for runs by their directories, with a number behind those that come twice. */
export const uniqueNames = (names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const seen = new Map<string, number>()
  return names.map((name) => {
    const count = (seen.get(name) ?? 0) + 1
    seen.set(name, count)
    return count === 1 ? name : `${name} (${count})`
  })
}

/** The final rows as a table for the terminal; names come from files, so no control of theirs gets there. */
export const comparisonText = (rows: ReadonlyArray<ComparedRow>, names: ReadonlyArray<string>): string => {
  const cellText = ({ value, difference }: ComparedRow["cells"][number]): string =>
    difference === undefined ? value : `${value} (${difference})`
  const table = [["", ...names], ...rows.map(({ name, cells }) => [name, ...cells.map(cellText)])]
    .map((cells) => cells.map(plainText))
  const widths = (table[0] ?? []).map((_, column) => Math.max(...table.map((cells) => cells[column]?.length ?? 0)))
  return table.map((cells) =>
    cells.map((cell, i) => i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)).join("  ").trimEnd()
  ).join("\n")
}
