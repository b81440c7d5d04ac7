import * as tf from "@tensorflow/tfjs-core"
import type { Embeddings, Loss } from "../../lib/api/index.ts"
import { leavesOf, vjp } from "../../lib/tensor/index.ts"
import type { Golden } from "./golden.ts"
import { scalarOf, take, valueOf } from "./tensors.ts"

/** The inputs of a loss case under the names of the files: both embeddings [B, E] and the logarithm of the scale. */
export const lossInputs = (golden: Golden, prefix: string): Embeddings => ({
  imageEmbed: valueOf(golden, `${prefix}image_embed`),
  textEmbed: valueOf(golden, `${prefix}text_embed`),
  logitScale: scalarOf(golden, `${prefix}logit_scale_param`)
})

const goldenNames: Readonly<Record<string, string>> = {
  imageEmbed: "image_embed",
  textEmbed: "text_embed",
  logitScale: "logit_scale_param"
}

/** What a loss makes of embeddings, on the host: accuracy in percent, gradients by the names of the files. */
export interface LossResult {
  readonly loss: Float32Array
  readonly acc: number
  readonly grads: ReadonlyArray<readonly [name: string, numbers: Float32Array]>
}

/** Loss, accuracy and the gradients for its three inputs, on the backend in use. */
export const runLoss = (loss: Loss, inputs: Embeddings): LossResult => {
  const { outputs, pullback } = vjp(inputs, (lifted) => loss.compute(lifted))
  const seed = tf.scalar(1)
  const grads = leavesOf(pullback({ loss: seed })).map(({ path, value }) =>
    [goldenNames[path] ?? path, take(value)] as const
  )
  seed.dispose()
  const correct = take(outputs.correct)[0] ?? Number.NaN
  return { loss: take(outputs.loss), acc: 100 * correct / (inputs.imageEmbed.tensor.shape[0] ?? 0), grads }
}
