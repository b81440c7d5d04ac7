/** A binary heap of numbers, the smallest first. */
const push = (heap: Array<number>, value: number): void => {
  let at = heap.length
  heap.push(value)
  while (at > 0) {
    const parent = (at - 1) >> 1
    const above = heap[parent] ?? 0
    if (above <= value) break
    heap[at] = above
    at = parent
  }
  heap[at] = value
}

const pop = (heap: Array<number>): number | undefined => {
  const top = heap[0]
  const last = heap.pop()
  if (last === undefined || heap.length === 0) return top
  let at = 0
  for (;;) {
    let child = 2 * at + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && (heap[child + 1] ?? 0) < (heap[child] ?? 0)) child++
    if ((heap[child] ?? 0) >= last) break
    heap[at] = heap[child] ?? 0
    at = child
  }
  heap[at] = last
  return top
}

// Positions take the low 30 bits of a heap entry, merged ids (below 2^16) those above: exact in a double.
const maxLength = 2 ** 30

/**
 * The same merges as pass after pass over the word, in n log n steps instead of up to n for each merge: every pair waits
 * in a heap by (merged id, position). That is the order of the passes, because a pair that a merge brings about always
 * has a later merge than that one, and within a merge the left of two overlapping pairs goes first.
 * `mergedOf(left, right)` gives the id of the merged token; smaller means earlier.
 */
export const mergeByHeap = (
  symbols: ReadonlyArray<number>,
  mergedOf: (left: number, right: number) => number | undefined
): Array<number> => {
  const n = symbols.length
  if (n > maxLength) throw new RangeError(`encode: expected a word of at most ${maxLength} bytes, found ${n}`)
  const ids = Int32Array.from(symbols) // -1: merged into the symbol on its left
  const next = Int32Array.from(symbols, (_, index) => index + 1) // n: none
  const previous = Int32Array.from(symbols, (_, index) => index - 1)
  const heap: Array<number> = []
  const offer = (left: number): void => {
    const right = left < 0 ? n : next[left] ?? n
    if (right >= n) return
    const merged = mergedOf(ids[left] ?? 0, ids[right] ?? 0)
    if (merged !== undefined) push(heap, merged * maxLength + left)
  }
  for (let index = 0; index < n - 1; index++) offer(index)
  for (let entry = pop(heap); entry !== undefined; entry = pop(heap)) {
    const left = entry % maxLength
    const merged = Math.floor(entry / maxLength)
    const right = next[left] ?? n
    // Its symbols may have gone into other merges since the pair was offered.
    if (right >= n || ids[left] === -1 || mergedOf(ids[left] ?? 0, ids[right] ?? 0) !== merged) continue
    const after = next[right] ?? n
    ids[left] = merged
    ids[right] = -1
    next[left] = after
    if (after < n) previous[after] = left
    offer(previous[left] ?? -1)
    offer(left)
  }
  return Array.from(ids).filter((id) => id !== -1)
}
