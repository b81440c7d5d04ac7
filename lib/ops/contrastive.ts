import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import type { Value } from "../tensor/index.ts"
import { checkShape, dims2, record, ShapeError } from "../tensor/index.ts"
import { type Fused, run } from "./kernel.ts"

/** Whether the column operands of both logit matrices carry gradient (`exact`) or are constants (`asPublished`). */
type ContrastiveAttrs = { readonly detachColumns: boolean }

/**
 * u, t [B, E] (rows normalised), scale [] = exp(logitScale) -> loss [], correct [] (rows of the image logits whose
 * first maximum is on the diagonal), p, q [B, B]: (softmax - 1) / 2B of the image and of the text logits.
 */
export const contrastiveForward: Fused<"u" | "t" | "scale", Record<never, never>, "loss" | "correct" | "p" | "q"> = {
  name: "DiffClipContrastive",
  outputs: ["loss", "correct", "p", "q"],
  compose: ({ u, t, scale }) => {
    const b = u.shape[0] ?? 0
    const eye = tf.eye(b)
    const logits = tf.mul(tf.matMul(u, t, false, true), scale)
    const side = (x: Tensor): readonly [Tensor, Tensor] => {
      const logP = tf.logSoftmax(x)
      return [tf.neg(tf.sum(tf.mul(logP, eye))), tf.div(tf.sub(tf.exp(logP), eye), 2 * b)]
    }
    const [imageLoss, p] = side(logits)
    const [textLoss, q] = side(tf.transpose(logits))
    const hits = tf.equal(tf.argMax(logits, 1), tf.range(0, b, 1, "int32"))
    return { loss: tf.div(tf.add(imageLoss, textLoss), 2 * b), correct: tf.sum(tf.cast(hits, "float32")), p, q }
  }
}

/** u, t, scale, p, q -> du, dt [B, E], dscale []: the closed form of GOLDENS 12, for a loss gradient of 1. */
export const contrastiveBackward: Fused<"u" | "t" | "scale" | "p" | "q", ContrastiveAttrs, "du" | "dt" | "dscale"> = {
  name: "DiffClipContrastiveGrad",
  outputs: ["du", "dt", "dscale"],
  compose: ({ u, t, scale, p, q }, { detachColumns }) => {
    const both = tf.add(p, tf.transpose(q)) // d loss / d (image logits), both sides together
    const rows = detachColumns ? [p, q] as const : [both, tf.transpose(both)] as const
    return {
      du: tf.mul(tf.matMul(rows[0], t), scale),
      dt: tf.mul(tf.matMul(rows[1], u), scale),
      dscale: tf.sum(tf.mul(both, tf.matMul(u, t, false, true)))
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
  const { loss, correct, p, q } = run(contrastiveForward, inputs, {})
  const saved = [u.tensor, t.tensor, scale.tensor, p, q]
  const recorded = record("contrastive", [u, t, scale], loss, saved, (dy) => {
    const grads = run(contrastiveBackward, { ...inputs, p, q }, { detachColumns: columns === "constant" })
    return [tf.mul(grads.du, dy), tf.mul(grads.dt, dy), tf.mul(grads.dscale, dy)]
  })
  return { loss: recorded, correct }
}
