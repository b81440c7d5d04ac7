/** What became of one comparison. `notCovered` counts neither as passed nor as failed. */
export type Verdict = "passed" | "failed" | "notCovered"

/** One comparison with a golden value. */
export interface Row {
  /** The file, relative to the golden directory. */
  readonly file: string
  /** The tensor, or what was compared, by its name in the file. */
  readonly name: string
  /** By the measure of GOLDENS 1 that the limit is for; NaN where nothing could be compared. */
  readonly error: number
  readonly limit: number
  readonly verdict: Verdict
  /** Why, where a number does not say it. */
  readonly note?: string
}

/** Numbers of any kind that can be walked by index. */
export type Numbers = ArrayLike<number>

/** How the distance of two tensors is measured: `err` divides by max(1, max |expected|), `abs` does not. */
export type Measure = "err" | "abs"

/** max |found - expected|; NaN where the lengths differ or either side holds a NaN, so that NaN never passes. */
export const absoluteError = (found: Numbers, expected: Numbers): number => {
  if (found.length !== expected.length) return Number.NaN
  let largest = 0
  for (let i = 0; i < expected.length; i++) {
    const [a = Number.NaN, b = Number.NaN] = [found[i], expected[i]]
    // Equal infinities are no distance; their difference would be NaN.
    largest = Math.max(largest, Object.is(a, b) ? 0 : Math.abs(a - b))
    if (Number.isNaN(a) || Number.isNaN(b)) return Number.NaN
  }
  return largest
}

/** max |found - expected| / max(1, max |expected|). Source: GOLDENS 1. */
export const relativeError = (found: Numbers, expected: Numbers): number => {
  let size = 1
  for (let i = 0; i < expected.length; i++) size = Math.max(size, Math.abs(expected[i] ?? Number.NaN))
  return absoluteError(found, expected) / size
}

/** A limit and the measure that it is for. */
export interface Limit {
  readonly measure: Measure
  readonly limit: number
}

/** At most `limit`, relative to max(1, max |expected|). */
export const err = (limit: number): Limit => ({ measure: "err", limit })

/** At most `limit`, as it is. */
export const abs = (limit: number): Limit => ({ measure: "abs", limit })

/** Not a bit off. */
export const exact: Limit = abs(0)

/** A row from an error that was measured: it passes when it is a number within its limit. */
export const measuredRow = (file: string, name: string, error: number, limit: number, note?: string): Row => ({
  file,
  name,
  error,
  limit,
  verdict: error <= limit ? "passed" : "failed",
  ...(note === undefined ? {} : { note })
})

/** A row for two lists of numbers; other lengths fail and say so. */
export const compare = (
  file: string,
  name: string,
  found: Numbers,
  expected: Numbers,
  { measure, limit }: Limit,
  note?: string
): Row => {
  const error = measure === "err" ? relativeError(found, expected) : absoluteError(found, expected)
  const sizes = `expected ${expected.length} numbers as stored, computed ${found.length}`
  return measuredRow(file, name, error, limit, found.length === expected.length ? note : sizes)
}

/** A row for what could not be compared at all. */
export const failedRow = (file: string, name: string, note: string): Row => ({
  file,
  name,
  error: Number.NaN,
  limit: Number.NaN,
  verdict: "failed",
  note
})

/** A row for what this version does not check. */
export const notCoveredRow = (file: string, name: string, note: string): Row => ({
  file,
  name,
  error: Number.NaN,
  limit: Number.NaN,
  verdict: "notCovered",
  note
})
