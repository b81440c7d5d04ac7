import * as tf from "@tensorflow/tfjs-core"
import type { Value } from "../tensor/index.ts"
import { checkShape, dimOf, record } from "../tensor/index.ts"
import { type Fused, run } from "./kernel.ts"

/** q1, k1, q2, k2 [Dh] -> lambda [] = first - second + lambdaInit, first [] = exp(q1 . k1), second [] = exp(q2 . k2). */
export const lambdaForward: Fused<
  "q1" | "k1" | "q2" | "k2",
  { readonly lambdaInit: number },
  "lambda" | "first" | "second"
> = {
  name: "DiffClipLambda",
  outputs: ["lambda", "first", "second"],
  compose: ({ q1, k1, q2, k2 }, { lambdaInit }) => {
    const first = tf.exp(tf.sum(tf.mul(q1, k1)))
    const second = tf.exp(tf.sum(tf.mul(q2, k2)))
    return { lambda: tf.add(tf.sub(first, second), lambdaInit), first, second }
  }
}

/** dy [], the vectors [Dh] and both exponentials [] -> dq1, dk1, dq2, dk2 [Dh]. */
export const lambdaBackward: Fused<
  "dy" | "q1" | "k1" | "q2" | "k2" | "first" | "second",
  Record<never, never>,
  "dq1" | "dk1" | "dq2" | "dk2"
> = {
  name: "DiffClipLambdaGrad",
  outputs: ["dq1", "dk1", "dq2", "dk2"],
  compose: ({ dy, q1, k1, q2, k2, first, second }) => {
    const up = tf.mul(dy, first), down = tf.neg(tf.mul(dy, second))
    return { dq1: tf.mul(k1, up), dk1: tf.mul(q1, up), dq2: tf.mul(k2, down), dk2: tf.mul(q2, down) }
  }
}

/** exp(q1 . k1) - exp(q2 . k2) + lambdaInit for four vectors [Dh], a scalar. Source: DiffCLIP section 3. */
export const lambda = (q1: Value, k1: Value, q2: Value, k2: Value, lambdaInit: number): Value => {
  const width = dimOf("lambda", q1.tensor.shape, 0)
  const inputs = { q1: q1.tensor, k1: k1.tensor, q2: q2.tensor, k2: k2.tensor }
  for (const [name, tensor] of Object.entries(inputs)) checkShape("lambda", name, tensor, [width])
  const { lambda, first, second } = run(lambdaForward, inputs, { lambdaInit })
  return record("lambda", [q1, k1, q2, k2], lambda, [...Object.values(inputs), first, second], (dy) => {
    const grads = run(lambdaBackward, { dy, ...inputs, first, second }, {})
    return [grads.dq1, grads.dk1, grads.dq2, grads.dk2]
  })
}
