/**
 * A curve through noisy points: their mean under weights that halve with every `span` points to either side, so that it
 * does not lag behind. Gaps are passed over.
 */
export const smoothed = (
  points: ReadonlyArray<readonly [x: number, y: number]>,
  span: number
): ReadonlyArray<readonly [x: number, y: number]> => {
  const ys = points.map(([, y]) => y)
  const fromLeft = decayingSums(ys, span)
  const fromRight = decayingSums(ys.toReversed(), span).toReversed()
  return points.map(([x, y], i) => {
    const [left, right] = [fromLeft[i], fromRight[i]]
    if (left === undefined || right === undefined) return [x, NaN] as const
    // Both sides count the point itself.
    const own = Number.isFinite(y) ? 1 : 0
    return [x, (left.sum + right.sum - (own === 1 ? y : 0)) / (left.weight + right.weight - own)] as const
  })
}

const decayingSums = (
  ys: ReadonlyArray<number>,
  span: number
): ReadonlyArray<{ readonly sum: number; readonly weight: number }> => {
  const keep = 0.5 ** (1 / span)
  let [sum, weight] = [0, 0]
  return ys.map((y) => {
    const isPoint = Number.isFinite(y)
    sum = keep * sum + (isPoint ? y : 0)
    weight = keep * weight + (isPoint ? 1 : 0)
    return { sum, weight }
  })
}
