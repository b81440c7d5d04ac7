import { at, mapArray, zeros } from "./array.ts"
import { type Node, record } from "./tape.ts"

/** What softmax adds to the scores. */
export interface SoftmaxOptions {
  /** Adds -inf above the diagonal of the last two axes (row = query, column = key). Default: false. */
  readonly causal?: boolean
}

/**
 * Softmax over the last axis, each row shifted by its maximum. The mask is *added* as the source does, so a score that is
 * NaN or +inf makes its row NaN even where it is masked.
 */
export const softmax = (x: Node, { causal = false }: SoftmaxOptions = {}): Node => {
  const width = at(x.value.shape, x.value.shape.length - 1)
  const height = causal ? at(x.value.shape, x.value.shape.length - 2) : 1
  const value = zeros(x.value.shape)
  for (let start = 0; start < value.data.length; start += width) {
    const row = (start / width) % height
    const scores = x.value.data.subarray(start, start + width).map((s, column) =>
      s + (causal && column > row ? -Infinity : 0)
    )
    const largest = scores.reduce((most, s) => Math.max(most, s), -Infinity)
    const weights = scores.map((s) => Math.exp(s - largest))
    const total = weights.reduce((sum, w) => sum + w, 0)
    value.data.set(weights.map((w) => w / total), start)
  }
  return record(value, [x], (cotangent) => {
    const back = zeros(x.value.shape)
    for (let start = 0; start < back.data.length; start += width) {
      const p = value.data.subarray(start, start + width)
      const g = cotangent.data.subarray(start, start + width)
      const inner = p.reduce((sum, weight, i) => sum + weight * at(g, i), 0)
      back.data.set(p.map((weight, i) => weight * (at(g, i) - inner)), start)
    }
    return [back]
  })
}

/** Mean over the rows of logits [n, m] of -log softmax(row)[target of the row]: shape []. */
export const crossEntropy = (logits: Node, targets: ArrayLike<number>): Node => {
  const [n = 0, m = 0] = logits.value.shape
  if (logits.value.shape.length !== 2 || targets.length !== n) {
    throw new RangeError(`crossEntropy of [${logits.value.shape}] with ${targets.length} targets`)
  }
  const probabilities = zeros([n, m])
  let total = 0
  for (let i = 0; i < n; i++) {
    const row = logits.value.data.subarray(i * m, (i + 1) * m)
    const largest = row.reduce((most, s) => Math.max(most, s), -Infinity)
    const logSum = Math.log(row.reduce((sum, s) => sum + Math.exp(s - largest), 0))
    total -= at(row, at(targets, i)) - largest - logSum
    probabilities.data.set(row.map((s) => Math.exp(s - largest - logSum)), i * m)
  }
  return record({ shape: [], data: Float64Array.of(total / n) }, [logits], (cotangent) => [
    mapArray(
      (p, i) => (at(cotangent.data, 0) / n) * (p - (i % m === at(targets, Math.floor(i / m)) ? 1 : 0)),
      probabilities
    )
  ])
}
