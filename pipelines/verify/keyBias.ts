import type { Golden } from "./golden.ts"
import { check } from "./golden.ts"
import type { Limit, Numbers, Row } from "./row.ts"
import { compare, failedRow } from "./row.ts"

/**
 * Which elements of a parameter are key biases. A constant added to all keys leaves the softmax as it is, so their true
 * gradient is zero and what is stored is rounding noise. `path` is the parameter's path in our tree.
 */
export const keyBiasRange = (path: string, length: number): readonly [begin: number, end: number] => {
  if (path.endsWith("k.bias")) return [0, length]
  return path.endsWith("qkv.bias") ? [length / 3, 2 * length / 3] : [0, 0]
}

/**
 * Rows for a tensor that belongs to a parameter: key biases apart, under a limit of their own (GOLDENS 3, 5). A tensor
 * that holds both, the packed bias of q, k and v, gets two rows.
 */
export const checkParameter = (
  golden: Golden,
  name: string,
  path: string,
  found: Numbers,
  limits: { readonly limit: Limit; readonly keyBias: Limit }
): ReadonlyArray<Row> => {
  const [begin, end] = keyBiasRange(path, found.length)
  if (begin === end) return [check(golden, name, found, limits.limit)]
  if (end - begin === found.length) return [check(golden, name, found, limits.keyBias, "key bias")]
  if (!golden.has(name)) {
    return [failedRow(golden.file, name, "expected this tensor in the file, which has none of that name")]
  }
  const expected = Array.from(golden.tensor(name).data)
  if (expected.length !== found.length) return [check(golden, name, found, limits.limit)]
  const numbers = Array.from(found)
  const rest = (x: ReadonlyArray<number>): ReadonlyArray<number> => [...x.slice(0, begin), ...x.slice(end)]
  return [
    compare(golden.file, name, rest(numbers), rest(expected), limits.limit, "key bias left out"),
    compare(
      golden.file,
      `${name} (keys)`,
      numbers.slice(begin, end),
      expected.slice(begin, end),
      limits.keyBias,
      "key bias"
    )
  ]
}
