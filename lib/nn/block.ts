import * as ops from "../ops/index.ts"
import type { Value } from "../tensor/index.ts"
import { checkpointed } from "../tensor/index.ts"
import type { Activation, Mlp, Norm } from "./layers.ts"
import { layerNorm, mlp } from "./layers.ts"

/** A pre-norm Transformer block around any attention A. */
export interface Block<A> {
  readonly norm1: Norm
  readonly attn: A
  readonly norm2: Norm
  readonly mlp: Mlp
}

/**
 * x + attn(norm1(x)), then x + mlp(norm2(x)). [B, N, D] -> [B, N, D]; temporaries are freed when the block ends. A block is
 * a checkpoint: a pass that recomputes keeps x and nothing else of it.
 */
export const block =
  <A>(attend: (p: A, x: Value) => Value, activation: Activation, eps: number) => (p: Block<A>, x: Value): Value =>
    checkpointed({ p, x }, (own) => {
      const norm = layerNorm(eps)
      const attended = ops.add(own.x, attend(own.p.attn, norm(own.p.norm1, own.x)))
      return ops.add(attended, mlp(activation)(own.p.mlp, norm(own.p.norm2, attended)))
    })
