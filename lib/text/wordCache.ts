/**
 * A bounded memory of a pure function of strings. Two generations: what is asked for moves to the young one; when that is
 * full, the old one is forgotten. Holds at most `2 * capacity` keys of at most `maxKeyLength` UTF-16 units; longer keys
 * are computed each time.
 */
export const memoizeBounded = <A>(
  compute: (key: string) => A,
  { capacity, maxKeyLength }: { readonly capacity: number; readonly maxKeyLength: number }
): (key: string) => A => {
  let young = new Map<string, A>()
  let old = new Map<string, A>()
  return (key) => {
    const fresh = young.get(key)
    if (fresh !== undefined) return fresh
    const value = old.get(key) ?? compute(key)
    if (key.length > maxKeyLength) return value
    if (young.size >= capacity) {
      old = young
      young = new Map()
    }
    young.set(key, value)
    return value
  }
}
