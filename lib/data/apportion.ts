/**
 * `total` split in proportion to `weights` into whole numbers whose sum is `total`: each quota rounded down, the rest one
 * by one to the largest remainders (ties: the earlier). Throws RangeError for weights that are negative, not finite or
 * all zero. Source: the method of largest remainder (Hamilton).
 */
export const largestRemainder = (weights: ReadonlyArray<number>, total: number): ReadonlyArray<number> => {
  const sum = weights.reduce((all, weight) => all + weight, 0)
  if (!(sum > 0 && Number.isFinite(sum) && weights.every((weight) => weight >= 0))) {
    throw new RangeError(`expected weights of at least 0 with a finite sum above 0, got ${weights.join(", ")}`)
  }
  const quotas = weights.map((weight) => weight / sum * total)
  const counts = quotas.map(Math.floor)
  const left = total - counts.reduce((all, count) => all + count, 0)
  const order = quotas
    .map((quota, i) => ({ i, rest: quota - Math.floor(quota), isUsed: (weights[i] ?? 0) > 0 }))
    .filter(({ isUsed }) => isUsed)
    .toSorted((a, b) => b.rest - a.rest || a.i - b.i)
  for (let k = 0; k < left; k++) {
    const at = order[k % order.length]?.i ?? 0
    counts[at] = (counts[at] ?? 0) + 1
  }
  return counts
}

/** floor(a b / c) without rounding on the way. */
const mulDiv = (a: number, b: number, c: number): number =>
  Number.isSafeInteger(a * b) ? Math.floor(a * b / c) : Number(BigInt(a) * BigInt(b) / BigInt(c))

/**
 * How many of the first `place` places belong to each part, when the places of all parts are spread evenly: part 0
 * against all others, then part 1 against those behind it, and so on. One place further adds one to exactly one part;
 * all places together give `counts`.
 */
export const evenlyBefore = (counts: ReadonlyArray<number>, place: number): ReadonlyArray<number> => {
  let rest = place
  let total = counts.reduce((all, count) => all + count, 0)
  return counts.map((count) => {
    const before = total === 0 ? 0 : mulDiv(rest, count, total)
    rest -= before
    total -= count
    return before
  })
}

/** The same when the parts stand one after the other. */
export const inOrderBefore = (counts: ReadonlyArray<number>, place: number): ReadonlyArray<number> => {
  let rest = place
  return counts.map((count) => {
    const before = Math.min(rest, count)
    rest -= before
    return before
  })
}
