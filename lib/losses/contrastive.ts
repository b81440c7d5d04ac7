import type { Embeddings, Loss } from "../api/index.ts"
import * as ops from "../ops/index.ts"
import type { Value } from "../tensor/index.ts"
import { dims2, ShapeError, value } from "../tensor/index.ts"

const compute = (
  { imageEmbed, textEmbed, logitScale }: Embeddings,
  columns: "differentiable" | "constant"
): { readonly loss: Value; readonly correct: Value } => {
  const { loss, correct } = ops.contrastive(
    ops.l2Normalize(imageEmbed),
    ops.l2Normalize(textEmbed),
    ops.exp(logitScale),
    columns
  )
  return { loss, correct: value(correct) }
}

/**
 * The symmetric contrastive loss with its exact gradient: (CE(images) + CE(texts)) / 2, means over the batch.
 * Embeddings [B, E] need not be normalised; `logitScale` is the logarithm. Source: SLIP; REFERENCE 4.1.
 */
const exact: Loss = { name: "contrastive.exact", compute: (embeddings) => compute(embeddings, "differentiable") }

/** How many devices the published run spread its batch over. */
export interface AsPublishedOptions {
  readonly worldSize: number
}

/**
 * The loss with the gradient of the published training: embeddings of other ranks, and a rank's own as columns, are
 * constants. The value equals `exact`; with worldSize 1 so does the gradient. The mean over equal groups of constant
 * columns does not depend on how many groups there are, so the batch need only be divisible. `compute` throws ShapeError
 * where `worldSize` is no whole number above 0 or does not divide the batch. Source: REFERENCE 4.1.
 */
const asPublished = ({ worldSize }: AsPublishedOptions): Loss => ({
  name: `contrastive.asPublished(${worldSize})`,
  compute: (embeddings) => {
    const [b] = dims2("contrastive.asPublished", "imageEmbed", embeddings.imageEmbed.tensor)
    if (!Number.isInteger(worldSize) || worldSize < 1 || b % worldSize !== 0) {
      throw new ShapeError("contrastive.asPublished", `a batch that splits into ${worldSize} groups`, `${b} pairs`)
    }
    return compute(embeddings, worldSize === 1 ? "differentiable" : "constant")
  }
})

/** The contrastive losses: the exact gradient (default everywhere) and the published one. */
export const contrastive: {
  readonly exact: Loss
  /** The gradient of the published run on `worldSize` devices. */
  readonly asPublished: (options: AsPublishedOptions) => Loss
} = { exact, asPublished }
