import type { Row } from "./row.ts"
import type { VerifyReport } from "./verify.ts"

/** Which rows a table shows: all of them, or failures with a summary of each file. */
export type Shown = "failures" | "all"

const words = { passed: "passed", failed: "FAILED", notCovered: "not covered" } as const

const figure = (x: number): string => Number.isNaN(x) ? "-" : x === 0 ? "0" : x.toExponential(1)

/** File and tensor names come from outside: control characters must not reach a terminal. */
const clean = (text: string): string => text.replace(/\p{C}/gu, "\ufffd")

const rowLine = ({ name, error, limit, verdict, note }: Row, width: number): string => {
  const cells = [clean(name).padEnd(width), figure(error).padStart(8), figure(limit).padStart(8), words[verdict]]
  return `  ${cells.join("  ")}${note === undefined ? "" : `  (${clean(note)})`}`
}

/** How far a row came towards its limit, for the summary. Exact rows and noise (a row with a note) say nothing of it. */
const usedOf = ({ error, limit, note }: Row): number => limit > 0 && note === undefined ? error / limit : 0

const fileLines = (file: string, rows: ReadonlyArray<Row>, shown: Shown): ReadonlyArray<string> => {
  const of = (verdict: Row["verdict"]): number => rows.filter((row) => row.verdict === verdict).length
  const counts = [`${of("passed")} passed`, `${of("failed")} failed`]
  if (of("notCovered") > 0) counts.push(`${of("notCovered")} not covered`)
  const worst = rows.filter(({ verdict }) => verdict === "passed").map(usedOf).reduce((a, b) => Math.max(a, b), 0)
  const nearest = worst > 0 ? `, nearest to a limit ${(100 * worst).toFixed(0)} % of it` : ""
  const listed = rows.filter(({ verdict }) => shown === "all" || verdict === "failed")
  const width = listed.reduce((most, { name }) => Math.max(most, clean(name).length), 0)
  return [`${clean(file)}: ${counts.join(", ")}${nearest}`, ...listed.map((row) => rowLine(row, width))]
}

/**
 * A report as text: a line a file with its counts, under it the failures or (`all`) each tensor with error, limit and
 * verdict; absent and unknown files; last line `N passed, N failed`.
 */
export const renderRows = (report: VerifyReport, shown: Shown = "failures"): string => {
  const byFile = Map.groupBy(report.rows, ({ file }) => file)
  return [
    ...[...byFile].flatMap(([file, rows]) => fileLines(file, rows, shown)),
    ...report.absent.map((label) => `absent: ${label}`),
    ...report.unknown.map((name) => `unknown: ${clean(name)}`),
    `${report.passed} passed, ${report.failed} failed`
  ].join("\n")
}

const jsonNumber = (x: number): number | null => Number.isFinite(x) ? x : null

/** A report as a JSON object; errors and limits that are no finite numbers are null. */
export const reportJson = (report: VerifyReport): string =>
  JSON.stringify({
    ...report,
    rows: report.rows.map((row) => ({ ...row, error: jsonNumber(row.error), limit: jsonNumber(row.limit) }))
  })
