import { expect, it } from "vitest"
import { memoizeBounded } from "../../lib/text/wordCache.ts"

const counted = () => {
  const asked: Array<string> = []
  const length = memoizeBounded((key) => {
    asked.push(key)
    return key.length
  }, { capacity: 2, maxKeyLength: 3 })
  return { asked, length }
}

it("a value that was asked for lately is not computed again", () => {
  const { asked, length } = counted()
  expect([length("a"), length("bb"), length("a"), length("ccc"), length("a")]).toEqual([1, 2, 1, 3, 1])
  expect(asked).toEqual(["a", "bb", "ccc"])
})

it("a value that nobody asked for over two generations is forgotten", () => {
  const { asked, length } = counted()
  for (const key of ["a", "b", "c", "d", "e", "a"]) length(key)
  expect(asked).toEqual(["a", "b", "c", "d", "e", "a"])
})

it("a key that is too long is never kept", () => {
  const { asked, length } = counted()
  expect([length("long"), length("long")]).toEqual([4, 4])
  expect(asked.length).toBe(2)
})
