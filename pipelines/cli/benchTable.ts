import { plainText } from "../../lib/track/index.ts"

/** A line of a benchmark: what DESIGN section 5 lists, and whatever a program adds. */
export type BenchRow = Readonly<Record<string, unknown>>

const isRow = (x: unknown): x is BenchRow => typeof x === "object" && x !== null && !Array.isArray(x)

/** A line of a benchmark's output as a row; undefined where it is no JSON object. */
export const benchRow = (line: string): BenchRow | undefined => {
  if (!line.startsWith("{")) return undefined
  try {
    const json: unknown = JSON.parse(line)
    return isRow(json) ? json : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

const text = (found: unknown): string =>
  found === undefined || found === null ? "" : plainText(Array.isArray(found) ? found.join(" x ") : String(found))

const number = (found: unknown): string =>
  typeof found === "number" && Number.isFinite(found) ? String(Number(found.toPrecision(4))) : ""

const ratioOf = ({ ratio, ratioLow, ratioHigh }: BenchRow): string => {
  const [middle, low, high] = [ratio, ratioLow, ratioHigh].map(number)
  if (middle === "") return ""
  return low === high ? `${middle}` : `${middle} (${low} to ${high})`
}

const peerOf = ({ peer, peerMedian }: BenchRow): string => [text(peer), number(peerMedian)].filter(Boolean).join(" ")

const columns: ReadonlyArray<readonly [title: string, cell: (row: BenchRow) => string]> = [
  ["measure", (row) => text(row["name"])],
  ["backend", (row) => text(row["backend"])],
  ["runtime", (row) => text(row["runtime"])],
  ["median", (row) => number(row["median"])],
  ["best", (row) => number(row["min"])],
  ["unit", (row) => text(row["unit"])],
  ["peer", peerOf],
  ["ratio", ratioOf],
  ["runs", (row) => number(row["runs"])],
  ["load", (row) => number(row["load"])]
]

const reasonOf = (row: BenchRow): string | undefined =>
  row["failed"] !== undefined ?
    `FAILED: ${text(row["failed"])}` :
    row["skipped"] !== undefined ?
    `skipped: ${text(row["skipped"])}` :
    undefined

/**
 * Rows as a table for people. What was measured on stands in a line before the first row that was measured on it; a row
 * that could not be measured has its reason in place of its figures.
 */
export const benchTable = (rows: ReadonlyArray<BenchRow>): string => {
  const cells = rows.map((row) => columns.map(([, cell]) => cell(row)))
  const widths = columns.map(([title], i) => {
    const own = cells.filter((_, at) => reasonOf(rows[at] ?? {}) === undefined || i < 3)
    return Math.max(title.length, ...own.map((line) => line[i]?.length ?? 0))
  })
  const laid = (line: ReadonlyArray<string>): string =>
    line.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  ").trimEnd()
  let shape: string | undefined
  const lines = rows.flatMap((row, at) => {
    const found = text(row["shape"])
    const head = found === shape || found === "" ? [] : [`-- ${found}`]
    shape = found
    const line = cells[at] ?? []
    const reason = reasonOf(row)
    return [...head, reason === undefined ? laid(line) : `${laid(line.slice(0, 3))}  ${peerOf(row)} ${reason}`]
  })
  return [laid(columns.map(([title]) => title)), ...lines].join("\n")
}
