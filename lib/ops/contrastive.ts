import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import type { Value } from "../tensor/index.ts"
import { checkShape, dims2, record, ShapeError } from "../tensor/index.ts"
import { type Fused, run } from "./kernel.ts"

/** Whether the column operands of both logit matrices carry gradient (`exact`) or are constants (`asPublished`). */
type ContrastiveAttrs = { readonly detachColumns: boolean }

/** What the backward pass needs to make any block of logits' gradients again: four rows of B numbers, no [B, B]. */
type Statistics = "rowMax" | "rowSum" | "columnMax" | "columnSum"

/**
 * u, t [B, E] (rows normalised), scale [] = exp(logitScale) -> loss [], correct [] (rows of the image logits whose
 * first maximum is on the diagonal), and for the rows (images) and columns (texts) of the logits scale u t^T the largest
 * number and the sum of exp(logit - largest), each [B].
 */
export const contrastiveForward: Fused<"u" | "t" | "scale", Record<never, never>, "loss" | "correct" | Statistics> = {
  name: "DiffClipContrastive",
  outputs: ["loss", "correct", "rowMax", "rowSum", "columnMax", "columnSum"],
  compose: ({ u, t, scale }) => {
    const b = u.shape[0] ?? 0
    const logits = tf.mul(tf.matMul(u, t, false, true), scale) // [B, B]
    const own = tf.sum(tf.mul(logits, tf.eye(b)), 1) // [B]
    const side = (x: Tensor): readonly [Tensor, Tensor, Tensor] => {
      const top = tf.max(x, 1) // [B]
      const sum = tf.sum(tf.exp(tf.sub(x, tf.expandDims(top, 1))), 1)
      return [tf.sum(tf.sub(tf.log(sum), tf.sub(own, top))), top, sum]
    }
    const [imageLoss, rowMax, rowSum] = side(logits)
    const [textLoss, columnMax, columnSum] = side(tf.transpose(logits))
    const hits = tf.equal(tf.argMax(logits, 1), tf.range(0, b, 1, "int32"))
    const loss = tf.div(tf.add(imageLoss, textLoss), 2 * b)
    return { loss, correct: tf.sum(tf.cast(hits, "float32")), rowMax, rowSum, columnMax, columnSum }
  }
}

/**
 * dy [], u, t, scale and the statistics -> du, dt [B, E], dscale []: the closed form of GOLDENS 12. The logits'
 * gradients, (softmax - 1) / 2B of each side, are made again from the statistics.
 */
export const contrastiveBackward: Fused<
  "dy" | "u" | "t" | "scale" | Statistics,
  ContrastiveAttrs,
  "du" | "dt" | "dscale"
> = {
  name: "DiffClipContrastiveGrad",
  outputs: ["du", "dt", "dscale"],
  compose: ({ dy, u, t, scale, rowMax, rowSum, columnMax, columnSum }, { detachColumns }) => {
    const b = u.shape[0] ?? 0
    const cosines = tf.matMul(u, t, false, true) // [B, B]
    const logits = tf.mul(cosines, scale)
    const eye = tf.eye(b)
    const side = (x: Tensor, top: Tensor, sum: Tensor): Tensor => {
      const softmax = tf.div(tf.exp(tf.sub(x, tf.expandDims(top, 1))), tf.expandDims(sum, 1))
      return tf.div(tf.sub(softmax, eye), 2 * b)
    }
    const p = side(logits, rowMax, rowSum)
    const q = side(tf.transpose(logits), columnMax, columnSum)
    const both = tf.add(p, tf.transpose(q)) // d loss / d (image logits), both sides together
    const rows = detachColumns ? [p, q] as const : [both, tf.transpose(both)] as const
    const factor = tf.mul(scale, dy)
    return {
      du: tf.mul(tf.matMul(rows[0], t), factor),
      dt: tf.mul(tf.matMul(rows[1], u), factor),
      dscale: tf.mul(tf.sum(tf.mul(both, cosines)), dy)
    }
  }
}

/** A contrastive loss and the share of images whose own text has the largest logit. */
export interface ContrastiveResult {
  readonly loss: Value
  /** How many of the B images were matched right, a scalar tensor without gradient. */
  readonly correct: Tensor
}

/**
 * (CE(scale u t^T) + CE(scale t u^T)) / 2 with targets on the diagonal, means over rows. u, t [B, E] normalised, scale
 * a scalar. `columns: "constant"` lets no gradient through the column operands. Source: SLIP; REFERENCE 4.1.
 */
export const contrastive = (
  u: Value,
  t: Value,
  scale: Value,
  columns: "differentiable" | "constant"
): ContrastiveResult => {
  const [b, e] = dims2("contrastive", "u", u.tensor)
  checkShape("contrastive", "t", t.tensor, [b, e])
  checkShape("contrastive", "scale", scale.tensor, [])
  if (b === 0) throw new ShapeError("contrastive", "at least one pair", "an empty batch")
  const inputs = { u: u.tensor, t: t.tensor, scale: scale.tensor }
  const { loss, correct, ...statistics } = run(contrastiveForward, inputs, {})
  const { rowMax, rowSum, columnMax, columnSum } = statistics
  const saved = [u.tensor, t.tensor, scale.tensor, rowMax, rowSum, columnMax, columnSum]
  const recorded = record("contrastive", [u, t, scale], loss, saved, (dy) => {
    const { du, dt, dscale } = run(contrastiveBackward, { dy, ...inputs, ...statistics }, {
      detachColumns: columns === "constant"
    })
    return [du, dt, dscale]
  })
  return { loss: recorded, correct }
}
