import { at } from "./array.ts"

/** max |a - b|; NaN when either side holds a NaN or the lengths differ. */
export const absoluteError = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  if (a.length !== b.length) return NaN
  let largest = 0
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(at(a, i) - at(b, i)))
  return largest
}

/** The error measure of the golden data: max |a - b| / max(1, max |b|), b being the expected side. */
export const errorOf = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let largest = 1
  for (let i = 0; i < b.length; i++) largest = Math.max(largest, Math.abs(at(b, i)))
  return absoluteError(a, b) / largest
}
