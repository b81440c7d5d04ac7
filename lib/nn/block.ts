import * as ops from "../ops/index.ts"
import type { Value } from "../tensor/index.ts"
import { scoped } from "../tensor/index.ts"
import type { Activation, Mlp, Norm } from "./layers.ts"
import { layerNorm, mlp } from "./layers.ts"

/** A pre-norm Transformer block around any attention A. */
export interface Block<A> {
  readonly norm1: Norm
  readonly attn: A
  readonly norm2: Norm
  readonly mlp: Mlp
}

/** x + attn(norm1(x)), then x + mlp(norm2(x)). [B, N, D] -> [B, N, D]; temporaries are freed when the block ends. */
export const block =
  <A>(attend: (p: A, x: Value) => Value, activation: Activation, eps: number) => (p: Block<A>, x: Value): Value =>
    scoped(() => {
      const norm = layerNorm(eps)
      const attended = ops.add(x, attend(p.attn, norm(p.norm1, x)))
      return ops.add(attended, mlp(activation)(p.mlp, norm(p.norm2, attended)))
    })
