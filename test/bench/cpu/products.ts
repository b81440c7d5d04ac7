/** The matrix products of a training step, for the share of it that a plain sgemm would take. */
import type { ClipConfig, TowerConfig } from "../../../lib/models/index.ts"
import { numImageTokens } from "../../../lib/models/index.ts"

/** `times` products of `batch` pairs of matrices, [m, k] by [k, n]; a transposed operand lies the other way round. */
export interface Product {
  readonly times: number
  readonly batch: number
  readonly m: number
  readonly k: number
  readonly n: number
  readonly transposed: "none" | "a" | "b"
}

/** Operations of all its times. */
export const flopsOf = ({ times, batch, m, k, n }: Product): number => times * batch * 2 * m * k * n

/** y = x W^T, and backward dx = dy W and dW = dy^T x. */
const linear = (times: number, rows: number, inputs: number, out: number): ReadonlyArray<Product> => [
  { times, batch: 1, m: rows, k: inputs, n: out, transposed: "b" },
  { times, batch: 1, m: rows, k: out, n: inputs, transposed: "none" },
  { times, batch: 1, m: out, k: rows, n: inputs, transposed: "a" }
]

/** c = a b^T and c = a b of one attention, and backward of both: two products each. */
const attention = (times: number, maps: number, tokens: number, keys: number, values: number, pairs: number) => {
  const of = (batch: number, m: number, k: number, n: number, transposed: Product["transposed"]): Product => ({
    ...{ times, batch, m, k, n, transposed }
  })
  return [
    of(maps, tokens, keys, tokens, "b"), // scores = q k^T
    of(maps, tokens, tokens, keys, "none"), // dq = ds k
    of(maps, tokens, tokens, keys, "a"), // dk = ds^T q
    of(pairs, tokens, tokens, values, "none"), // a v
    of(pairs, tokens, values, tokens, "b"), // da = dy v^T
    of(pairs, tokens, tokens, values, "a") // dv = a^T dy
  ]
}

const tower = (
  { width: d, layers, numHeads }: TowerConfig,
  tokens: number,
  batch: number,
  isDifferential: boolean
): ReadonlyArray<Product> => {
  const rows = batch * tokens
  const headDim = d / numHeads
  const values = isDifferential ? 2 : 1
  return [
    ...(isDifferential ? linear(3 * layers, rows, d, d) : linear(layers, rows, d, 3 * d)),
    ...linear(layers, rows, d, d),
    ...linear(layers, rows, d, 4 * d),
    ...linear(layers, rows, 4 * d, d),
    ...attention(layers, batch * numHeads, tokens, headDim, values * headDim, batch * numHeads / values)
  ]
}

/**
 * What a step multiplies: linear layers, attention, patches. The two projections and the logits are left out (0.01 % of
 * the work); what the fused attention computes once more in its backward is not counted.
 */
export const stepProducts = (config: ClipConfig, batch: number): ReadonlyArray<Product> => {
  const { kind, vision, text, patchSize, contextLength } = config
  const tokens = numImageTokens(config)
  const [forward, , weight] = linear(1, batch * (tokens - 1), 3 * patchSize ** 2, vision.width)
  return [
    ...tower(vision, tokens, batch, kind !== "clip"),
    ...tower(text, contextLength, batch, kind === "diffClip" || kind === "diffClipStar"),
    ...[forward, weight].filter((product) => product !== undefined)
  ]
}
