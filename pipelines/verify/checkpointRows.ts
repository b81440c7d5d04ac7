import type { PickleValue, StoredTensor } from "../../lib/checkpoint/index.ts"
import { floatsOf, integersOf, isFloatDtype, isNode } from "../../lib/checkpoint/index.ts"
import type { Numbers, Row } from "./row.ts"
import { failedRow, measuredRow } from "./row.ts"

/** A row that passes where two values have one JSON; a failure shows the first place of both texts that differs. */
export const equalRow = (file: string, name: string, found: unknown, expected: unknown): Row => {
  const [a, b] = [canonical(found), canonical(expected)]
  if (a === b) return measuredRow(file, name, 0, 0)
  const at = [...a].findIndex((char, i) => char !== b[i])
  const near = (text: string): string => text.slice(Math.max(0, at - 20), at + 40)
  return failedRow(file, name, `expected … ${near(b)}, found … ${near(a)}`)
}

/** JSON with sorted keys: order is compared where it means something, in lists. */
const canonical = (value: unknown): string =>
  JSON.stringify(
    value,
    (_, inner: unknown) =>
      typeof inner === "object" && inner !== null && !Array.isArray(inner) ?
        Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => a < b ? -1 : 1)) :
        inner
  ) ?? "undefined"

/** A row for numbers that must be the same to the bit; NaN equals NaN. */
export const bitRow = (file: string, name: string, found: Numbers, expected: Numbers): Row => {
  if (found.length !== expected.length) {
    return failedRow(file, name, `expected ${expected.length} numbers, found ${found.length}`)
  }
  let error = 0
  for (let i = 0; i < expected.length; i++) {
    const [a = NaN, b = NaN] = [found[i], expected[i]]
    if (Object.is(a, b)) continue // also NaN and NaN
    const distance = Math.abs(a - b)
    error = Math.max(error, Number.isNaN(distance) ? Infinity : Math.max(distance, Number.MIN_VALUE)) // 0 is not -0
  }
  return measuredRow(file, name, error, 0)
}

/** The numbers of a tensor as the golden files hold them: floats and 64-bit numbers rounded to float32. */
export const numbersOf = ({ dtype, bytes }: StoredTensor): Numbers => {
  if (isFloatDtype(dtype)) return floatsOf(dtype, bytes)
  const whole = integersOf(dtype, bytes)
  return dtype === "I64" ? Float32Array.from(whole) : whole
}

/** What was unpickled, as plain values: tuples as lists, a Namespace as its fields, bigints as decimal text. */
export const plainOf = (value: PickleValue | undefined): unknown => {
  if (typeof value === "bigint") return `${value}`
  if (value instanceof Uint8Array) return [...value]
  if (!isNode(value)) return value
  switch (value.kind) {
    case "list":
    case "tuple":
      return value.items.map(plainOf)
    case "dict":
      return Object.fromEntries([...value.entries].map(([key, item]) => [String(key), plainOf(item)]))
    case "object":
      return plainOf(value.state)
    default:
      return value.kind
  }
}
