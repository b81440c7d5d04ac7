import * as ops from "../ops/index.ts"
import type { AttentionOptions } from "../ops/index.ts"
import type { Value } from "../tensor/index.ts"
import { dimOf } from "../tensor/index.ts"
import type { Linear } from "./layers.ts"
import { linear } from "./layers.ts"

/** Ordinary attention: one packed projection (q, k, v one after the other) and the way out. */
export interface Attention {
  readonly qkv: Linear
  readonly out: Linear
}

/** softmax(q k^T / sqrt(Dh) + mask) v, projected. x [B, N, D] -> [B, N, D]. */
export const attention = (options: AttentionOptions) => (p: Attention, x: Value): Value => {
  const d = dimOf("attention", x.tensor.shape, -1)
  const packed = linear(p.qkv, x) // [B, N, D] -> [B, N, 3 D]
  const part = (i: number): Value => ops.slice(packed, 2, i * d, d)
  return linear(p.out, ops.attention(part(0), part(1), part(2), options))
}
