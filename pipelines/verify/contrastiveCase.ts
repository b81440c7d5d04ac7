import * as tf from "@tensorflow/tfjs-core"
import type { Embeddings, Loss } from "../../lib/api/index.ts"
import { leavesOf, vjp } from "../../lib/tensor/index.ts"
import type { Reading } from "../reading.ts"
import { allReadings, mapReading, readingOf } from "../reading.ts"
import type { Golden } from "./golden.ts"
import { scalarOf, valueOf } from "./tensors.ts"

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

const NONE = new Float32Array()

/** Loss, accuracy and the gradients for its three inputs, as the work of a unit. */
export const runLoss = (loss: Loss, inputs: Embeddings): Reading<LossResult> => {
  const { outputs, pullback } = vjp(inputs, (lifted) => loss.compute(lifted))
  const grads = leavesOf(pullback({ loss: tf.scalar(1) }))
  const batch = inputs.imageEmbed.tensor.shape[0] ?? 0
  const results = [outputs.loss, outputs.correct, ...grads.map(({ value }) => value)]
  return mapReading(
    allReadings(results.map(({ tensor }) => readingOf(tensor))),
    ([found = NONE, [correct = Number.NaN] = NONE, ...numbers]) => ({
      loss: found,
      acc: 100 * correct / batch,
      grads: grads.map(({ path }, i) => [goldenNames[path] ?? path, numbers[i] ?? NONE] as const)
    })
  )
}
