import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import type { Value } from "../tensor/index.ts"
import { dimOf, record } from "../tensor/index.ts"
import { geluBackward, geluForward } from "./gelu.ts"
import { half, halfLinearForward, halfProduct, inHalves, isInHalves, wholeForward } from "./half.ts"
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
  if (isInHalves(w1.shape[1] ?? 0, hidden, width)) return mlpInHalves(x, fc1, fc2, activation)
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

/** The same with operands in halves; what the backward pass needs, x and fc1's result, is kept in halves too. */
const mlpInHalves = (x: Value, fc1: LinearLayer, fc2: LinearLayer, activation: Activation): Value => {
  const [w1, b1, w2, b2] = [fc1.weight.tensor, fc1.bias.tensor, fc2.weight.tensor, fc2.bias.tensor]
  const [hidden = 0, k = 0] = w1.shape
  const width = w2.shape[0] ?? 0
  const rows = k === 0 ? 0 : x.tensor.size / k
  const [xh, w1h, w2h] = [inHalves(x.tensor), inHalves(w1), inHalves(w2)]
  const pre = half(run(halfLinearForward, { x: xh, weight: w1h, bias: b1 }, { rows, k, m: hidden }).y)
  // From the rounded numbers, which the backward pass sees.
  const whole = (): Tensor => run(wholeForward, { x: pre }, { shape: [rows, hidden] }).y
  const post = half(run(activate[activation], { x: whole() }, {}).y)
  const { y } = run(halfLinearForward, { x: post, weight: w2h, bias: b2 }, { rows, k: hidden, m: width })
  const shaped = view(y, [...x.tensor.shape.slice(0, -1), width])
  const inputs = [x, fc1.weight, fc1.bias, fc2.weight, fc2.bias]
  const turned = { transposeA: true, transposeB: false }
  const plain = { transposeA: false, transposeB: false }
  return record("mlp", inputs, shaped, [xh, w1h, w2h, pre], (dy, [needsX, needsW1, needsB1, needsW2, needsB2]) => {
    const g = half(dy)
    const dpost = halfProduct(g, w2h, { m: rows, n: hidden, k: width, ...plain })
    const found = run(mlpHiddenBackward, { dpost, pre: whole() }, { activation })
    const dpre = half(found.dpre)
    return [
      needsX ? view(halfProduct(dpre, w1h, { m: rows, n: k, k: hidden, ...plain }), x.tensor.shape) : undefined,
      needsW1 ? halfProduct(dpre, xh, { m: hidden, n: k, k: rows, ...turned }) : undefined,
      needsB1 ? found.dbias : undefined,
      needsW2 ? halfProduct(g, half(found.post), { m: width, n: hidden, k: rows, ...turned }) : undefined,
      needsB2 ? tf.sum(asRows(dy), 0) : undefined
    ]
  })
}
