import * as tf from "@tensorflow/tfjs-core"
import type { Value } from "../tensor/index.ts"
import { dimOf, record } from "../tensor/index.ts"
import { geluBackward, geluForward } from "./gelu.ts"
import { asRows, type Fused, run, view } from "./kernel.ts"
import { linearForward, linearWidth } from "./matmul.ts"
import { quickGeluBackward, quickGeluForward } from "./quickGelu.ts"

/** The activation between the MLP's layers. */
export type Activation = "gelu" | "quickGelu"

type MlpAttrs = { readonly activation: Activation }

const activate = { gelu: geluForward, quickGelu: quickGeluForward }
const activateBackward = { gelu: geluBackward, quickGelu: quickGeluBackward }

/**
 * x [R, K], w1 [H, K], b1 [H], w2 [M, H], b2 [M] -> pre [R, H] = x w1^T + b1, y [R, M] = activation(pre) w2^T + b2. The
 * activation's own result [R, H] is not kept: its backward pass makes it again beside the slope, from the same exponential.
 */
export const mlpForward: Fused<"x" | "w1" | "b1" | "w2" | "b2", MlpAttrs, "y" | "pre"> = {
  name: "DiffClipMlp",
  outputs: ["y", "pre"],
  compose: ({ x, w1, b1, w2, b2 }, { activation }) => {
    const pre = run(linearForward, { x, weight: w1, bias: b1 }, {}).y
    const post = run(activate[activation], { x: pre }, {}).y
    return { y: run(linearForward, { x: post, weight: w2, bias: b2 }, {}).y, pre }
  }
}

/**
 * dpost, pre [R, H] -> dpre [R, H] = dpost activation'(pre), post [R, H] = activation(pre), dbias [H], the sum of dpre over
 * rows. A kernel may write dpre into the buffer of dpost and hand that back.
 */
export const mlpHiddenBackward: Fused<"dpost" | "pre", MlpAttrs, "dpre" | "post" | "dbias"> = {
  name: "DiffClipMlpHiddenGrad",
  outputs: ["dpre", "post", "dbias"],
  compose: ({ dpost, pre }, { activation }) => {
    const dpre = run(activateBackward[activation], { dy: dpost, x: pre }, {}).dx
    return { dpre, post: run(activate[activation], { x: pre }, {}).y, dbias: tf.sum(dpre, 0) }
  }
}

/** weight [out, in], bias [out]. */
export interface LinearLayer {
  readonly weight: Value
  readonly bias: Value
}

/**
 * x [..., K], fc1 [H, K], fc2 [M, H] -> fc2(activation(fc1(x))) [..., M]: a transformer's MLP. Between the passes it keeps
 * x and fc1's result alone. Throws ShapeError where the layers do not fit.
 */
export const mlp = (x: Value, fc1: LinearLayer, fc2: LinearLayer, activation: Activation): Value => {
  const [w1, b1, w2, b2] = [fc1.weight.tensor, fc1.bias.tensor, fc2.weight.tensor, fc2.bias.tensor]
  const hidden = linearWidth("mlp", dimOf("mlp", x.tensor.shape, -1), w1, b1)
  const width = linearWidth("mlp", hidden, w2, b2)
  const { y, pre } = run(mlpForward, { x: asRows(x.tensor), w1, b1, w2, b2 }, { activation })
  const shaped = view(y, [...x.tensor.shape.slice(0, -1), width])
  const inputs = [x, fc1.weight, fc1.bias, fc2.weight, fc2.bias]
  return record("mlp", inputs, shaped, [x.tensor, w1, w2, pre], (dy, [needsX, needsW1, needsB1, needsW2, needsB2]) => {
    const rows = asRows(dy)
    const dpost = tf.matMul(rows, w2) // [R, M] -> [R, H]
    const { dpre, post, dbias } = run(mlpHiddenBackward, { dpost, pre }, { activation })
    const dw2 = needsW2 ? tf.matMul(rows, post, true, false) : undefined
    post.dispose() // before the other products need room
    return [
      needsX ? view(tf.matMul(dpre, w1), x.tensor.shape) : undefined,
      needsW1 ? tf.matMul(dpre, asRows(x.tensor), true, false) : undefined,
      needsB1 ? dbias : undefined,
      dw2,
      needsB2 ? tf.sum(rows, 0) : undefined
    ]
  })
}
