/** Medians and ratios of runs that took turns. */

/** The middle one; of an even number the mean of the middle two. NaN of none. */
export const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]]
  return low === undefined || high === undefined ? Number.NaN : (low + high) / 2
}

/** Four significant digits: more is noise. */
export const rounded = (value: number): number => Number(value.toPrecision(4))

/** What two series say of each other. */
export interface Comparison {
  readonly median: number
  readonly min: number
  readonly runs: number
  readonly peerMedian: number
  readonly peerMin: number
  /** Of the medians. */
  readonly ratio: number
  /** The smallest and the largest ratio of a run and the peer's run next to it. */
  readonly ratioLow: number
  readonly ratioHigh: number
}

/** How a ratio is made: the peer's number by ours (how often faster we are), or ours by the peer's (how much we need). */
export type RatioOf = "peer/ours" | "ours/peer"

/** Compares runs that took turns; both series have one length, not 0. Throws RangeError else. */
export const compare = (
  ours: ReadonlyArray<number>,
  peers: ReadonlyArray<number>,
  ratioOf: RatioOf
): Comparison => {
  if (ours.length === 0 || ours.length !== peers.length) {
    throw new RangeError(`compare: expected as many runs of both, found ${ours.length} and ${peers.length}`)
  }
  const ratio = (a: number, b: number): number => ratioOf === "peer/ours" ? b / a : a / b
  const pairs = ours.map((a, i) => ratio(a, peers[i] ?? Number.NaN))
  const [m, p] = [median(ours), median(peers)]
  return {
    median: rounded(m),
    min: rounded(Math.min(...ours)),
    runs: ours.length,
    peerMedian: rounded(p),
    peerMin: rounded(Math.min(...peers)),
    ratio: rounded(ratio(m, p)),
    ratioLow: rounded(Math.min(...pairs)),
    ratioHigh: rounded(Math.max(...pairs))
  }
}

/** The largest difference of two arrays by the largest number of the second; NaN and a difference in length are infinite. */
export const relativeError = (a: Float32Array, b: Float32Array): number => {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY
  let [difference, largest] = [0, 0]
  for (const [i, x] of a.entries()) {
    const y = b[i] ?? Number.NaN
    const d = Math.abs(x - y)
    if (Number.isNaN(d)) return Number.POSITIVE_INFINITY
    difference = Math.max(difference, d)
    largest = Math.max(largest, Math.abs(y))
  }
  return difference === 0 ? 0 : difference / largest
}
