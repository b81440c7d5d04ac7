/** Counts by value, for values of which there are few. */
export interface Tally {
  readonly add: (value: number) => void
  readonly summary: () => Summary | undefined
}

/** What a tally has seen. `p95`: 95 of 100 values are at most this. */
export interface Summary {
  readonly count: number
  readonly min: number
  readonly median: number
  readonly mean: number
  readonly p95: number
  readonly max: number
}

/** An empty tally. */
export const makeTally = (): Tally => {
  const counts = new Map<number, number>()
  return {
    add: (value) => void counts.set(value, (counts.get(value) ?? 0) + 1),
    summary: () => {
      const sorted = [...counts].toSorted(([a], [b]) => a - b)
      const [first, last] = [sorted[0], sorted.at(-1)]
      if (first === undefined || last === undefined) return undefined
      const count = sorted.reduce((sum, [, times]) => sum + times, 0)
      const total = sorted.reduce((sum, [value, times]) => sum + value * times, 0)
      const atRank = (rank: number): number => {
        let seen = 0
        for (const [value, times] of sorted) {
          seen += times
          if (seen >= rank) return value
        }
        return last[0]
      }
      return {
        count,
        min: first[0],
        median: atRank(count / 2),
        mean: total / count,
        p95: atRank(0.95 * count),
        max: last[0]
      }
    }
  }
}

/** Counts how many values came before, by a hash of 53 bits: a collision among ten million is one in a hundred. */
export const makeRepeats = (): { readonly add: (bytes: Uint8Array) => void; readonly count: () => number } => {
  const seen = new Set<number>()
  let repeats = 0
  return {
    add: (bytes) => {
      let [high, low] = [0x811c9dc5, 0x01234567]
      for (const byte of bytes) {
        high = Math.imul(high ^ byte, 0x01000193)
        low = Math.imul(low ^ byte, 0x85ebca6b) ^ (low >>> 13)
      }
      const hash = (high >>> 0) * 0x200000 + (low >>> 11)
      if (seen.has(hash)) repeats++
      else seen.add(hash)
    },
    count: () => repeats
  }
}
