import type { Tensor } from "@tensorflow/tfjs-core"
import type { Params } from "./params.ts"
import { leavesOf, mapParams } from "./params.ts"
import { precisionNow } from "./precision.ts"
import { recomputes, vjp } from "./tape.ts"
import type { Value } from "./value.ts"
import { detach, record, scoped } from "./value.ts"

/**
 * Marks a piece of a forward pass that may be run twice. `inputs` is everything that `forward` differentiates: parameters
 * and activations. In a pass with `checkpoints: "recompute"` nothing but the inputs is kept, and the backward pass runs
 * `forward` again for the intermediates (Chen et al. 2016); otherwise it is `scoped`. `forward` must be a function of its
 * inputs alone: then the gradients have the same bits either way.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs-core"
 * import { exp, mul } from "../ops/index.ts"
 * import { checkpointed } from "./checkpointed.ts"
 * import { vjp } from "./tape.ts"
 * import { value } from "./value.ts"
 *
 * const piece = ({ w, x }: { readonly w: ReturnType<typeof value>; readonly x: ReturnType<typeof value> }) =>
 *   exp(mul(w, exp(x)))
 * const { outputs } = vjp(
 *   { w: value(tf.scalar(3)) },
 *   ({ w }) => ({ y: checkpointed({ w, x: value(tf.scalar(0)) }, piece) }),
 *   { checkpoints: "recompute" }
 * )
 * outputs.y.tensor.print() // 20.08
 * ```
 */
export const checkpointed = <I extends Params>(inputs: I, forward: (inputs: I) => Value): Value => {
  const leaves = leavesOf(inputs)
  const isRecorded = leaves.some(({ value }) => value.node !== undefined)
  if (!isRecorded || !recomputes()) return scoped(() => forward(inputs))
  const plain = mapParams(inputs, detach)
  const precision = precisionNow()
  const { tensor } = scoped(() => forward(plain))
  const values = leaves.map(({ value }) => value)
  const saved = values.map((input) => input.tensor)
  return record("checkpointed", values, tensor, saved, (dy, needs) => {
    const trained = new Set(leaves.flatMap(({ path }, i) => needs[i] === true ? [path] : []))
    const isTrained = (path: string): boolean => trained.has(path)
    const { outputs, pullback } = vjp(plain, (lifted) => ({ y: forward(lifted) }), { isTrained, precision })
    try {
      const grads = new Map<string, Tensor>(
        leavesOf(pullback({ y: dy })).map(({ path, value }) => [path, value.tensor])
      )
      return leaves.map(({ path }) => grads.get(path))
    } finally {
      outputs.y.tensor.dispose()
    }
  })
}
