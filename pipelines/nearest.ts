/** How many letters must be changed, added or dropped to make one word of another. Source: Levenshtein 1966. */
export const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}

/** The `count` words that are nearest to `word`, nearest first; words equally near keep their order. */
export const nearest = (words: Iterable<string>, word: string, count: number): ReadonlyArray<string> =>
  [...words]
    .map((candidate) => [distance(candidate, word), candidate] as const)
    .sort(([a], [b]) => a - b)
    .slice(0, count)
    .map(([, candidate]) => candidate)
