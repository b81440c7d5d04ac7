import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import type { DualEncoder, Embeddings, ImageTextBatch, Loss, Model } from "../lib/api/index.ts"
import * as ops from "../lib/ops/index.ts"
import type { Params, Precision } from "../lib/tensor/index.ts"
import { disposeParams, inPrecision, leavesOf, value, vjp } from "../lib/tensor/index.ts"
import { type PassOptions, unscaled } from "./trainStep.ts"

/**
 * The gradient of one large loss with the memory of a small pass (GradCache: Gao et al. 2021). The loss sees embeddings
 * only, so its gradient with respect to them is computed once for the whole batch; by the chain rule each micro-batch then
 * needs only its own rows of it. Three kinds of units: `embedPass` for each micro-batch, one `lossPass`, and `pullPass` for
 * each micro-batch again. What grows with the batch are embeddings [B, E] and, in the loss, its logits [B, B].
 */

/** Embeddings of some pairs, each [m, E]; the caller's. */
export interface PairEmbeddings {
  readonly imageEmbed: Tensor
  readonly textEmbed: Tensor
}

/** The embeddings of one micro-batch. Records nothing, so its intermediates are freed on the way. */
export const embedPass = <P extends Params>(
  model: Model<P, ImageTextBatch, Embeddings>,
  params: P,
  batch: ImageTextBatch,
  precision: Precision = "float32"
): PairEmbeddings => {
  let embeddings: PairEmbeddings | undefined
  tf.tidy(() => {
    const { imageEmbed, textEmbed } = inPrecision(precision, () => model.apply(params, batch))
    embeddings = { imageEmbed: tf.keep(imageEmbed.tensor), textEmbed: tf.keep(textEmbed.tensor) }
  })
  if (embeddings === undefined) throw new Error("embedPass: the model did not return")
  return embeddings
}

/** Gradients of a loss with respect to the embeddings of all pairs, [B, E] each, and to the logarithm of the scale. */
export interface EmbeddingGradients extends PairEmbeddings {
  readonly logitScale: Tensor
}

/** What the loss of the whole batch says; all tensors are the caller's, `loss` and `correct` are scalars. */
export interface LossResult {
  readonly grads: EmbeddingGradients
  readonly loss: Tensor
  readonly correct: Tensor
}

/** The loss of all micro-batches' embeddings together, and its gradients. Leaves the embeddings alone. */
export const lossPass = <P extends Params>(
  model: DualEncoder<P>,
  loss: Loss,
  params: P,
  parts: ReadonlyArray<PairEmbeddings>
): LossResult => {
  let result: LossResult | undefined
  tf.tidy(() => {
    const embeddings = {
      imageEmbed: value(ops.raw.stackRows(parts.map(({ imageEmbed }) => imageEmbed))), // [m, E] each -> [B, E]
      textEmbed: value(ops.raw.stackRows(parts.map(({ textEmbed }) => textEmbed))),
      logitScale: value(model.logitScale(params).tensor)
    }
    const { outputs, pullback } = vjp(embeddings, loss.compute)
    try {
      const grads = pullback({ loss: tf.onesLike(outputs.loss.tensor) })
      result = {
        grads: {
          imageEmbed: grads.imageEmbed.tensor,
          textEmbed: grads.textEmbed.tensor,
          logitScale: grads.logitScale.tensor
        },
        loss: outputs.loss.tensor,
        correct: outputs.correct.tensor
      }
    } finally {
      if (result === undefined) disposeParams(outputs)
    }
  })
  if (result === undefined) throw new Error("lossPass: the loss did not return")
  return result
}

/**
 * A micro-batch's share of the gradient: its forward pass again, with the bits of the first, and back with rows `from` on
 * of the embeddings' gradients. The scale is no function of the pairs, so only the rows from 0 on bring its gradient.
 * Parameters, batch and gradients stay the caller's; the result is the caller's too.
 */
export const pullPass = <P extends Params>(
  model: Model<P, ImageTextBatch, Embeddings>,
  params: P,
  batch: ImageTextBatch,
  { imageEmbed, textEmbed, logitScale }: EmbeddingGradients,
  from: number,
  { lossScale, ...options }: PassOptions = {}
): P => {
  const count = batch.images.shape[0] ?? 0
  const { outputs, pullback, release } = vjp(params, (lifted) => {
    const made = model.apply(lifted, batch)
    return { imageEmbed: made.imageEmbed, textEmbed: made.textEmbed, logitScale: made.logitScale }
  }, options)
  const seeds: Array<Tensor> = []
  try {
    const seed = (make: () => Tensor): Tensor => {
      const made = tf.keep(tf.tidy(() => lossScale === undefined ? make() : ops.raw.scaleBy(make(), lossScale)))
      seeds.push(made)
      return made
    }
    const rows = (gradient: Tensor): Tensor => seed(() => ops.raw.rows(gradient, from, count))
    const given = { imageEmbed: rows(imageEmbed), textEmbed: rows(textEmbed) }
    return unscaled(
      pullback(from === 0 ? { ...given, logitScale: seed(() => tf.clone(logitScale)) } : given),
      lossScale
    )
  } finally {
    release()
    const own = new Set(leavesOf(params).map((leaf) => leaf.value.tensor))
    const made = Object.values(outputs).map(({ tensor }) => tensor)
    for (const tensor of [...seeds, ...made]) if (!own.has(tensor)) tensor.dispose()
  }
}
