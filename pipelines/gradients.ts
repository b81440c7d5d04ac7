import type { Tensor } from "@tensorflow/tfjs-core"
import { Effect } from "effect"
import type { ImageText, ImageTextBatch } from "../lib/api/index.ts"
import type { UnitError } from "../lib/backend/index.ts"
import type { Batch } from "../lib/data/index.ts"
import { disposeParams, keyOf, type Params } from "../lib/tensor/index.ts"
import type { TrainConfig } from "./config.ts"
import { embedPass, lossPass, type LossResult, type PairEmbeddings, pullPass } from "./cachedStep.ts"
import { batchTensors, cutText, disposeBatch, encodeTraining, tokenizerOf, trainingTransform } from "./encode.ts"
import type { Recipe } from "./training.ts"
import type { PassOptions, StepGradients, TwoTowerParams } from "./trainStep.ts"
import { accumulate, addGradients, gradientsOf } from "./trainStep.ts"

/** Where a step's gradients are put, in the unit that makes them: whoever made the place frees them. */
export interface Held<P extends Params> {
  gradients: StepGradients<P> | undefined
}

/** The gradients of a step, as units with pauses between them. What is half done when it ends early is freed. */
export type Gradients<P extends Params> = (
  params: P,
  batches: ReadonlyArray<Batch<ImageText>>,
  held: Held<P>,
  /** What the optimizer wants the loss multiplied by meanwhile, a scalar. */
  lossScale?: Tensor
) => Effect.Effect<void, UnitError>

type Samples = ReadonlyArray<ImageText>

/** Pieces of `size` samples in order with the index of their first; the last may be smaller. */
export const piecesOf = (
  samples: Samples,
  size: number
): ReadonlyArray<{ readonly from: number; readonly samples: Samples }> =>
  Array.from({ length: Math.ceil(samples.length / size) }, (_, i) => ({
    from: i * size,
    samples: samples.slice(i * size, (i + 1) * size)
  }))

/** What a pass differentiates and what it remembers for that. */
export const passOptionsOf = (
  { checkpointBlocks, precision }: Pick<TrainConfig, "checkpointBlocks" | "precision">,
  lrScaleOf: (path: string) => number = () => 1,
  lossScale?: Tensor
): PassOptions => ({
  precision,
  ...(lossScale === undefined ? {} : { lossScale }),
  isTrained: (path) => lrScaleOf(path) !== 0,
  checkpoints: checkpointBlocks === "blocks" ? "recompute" : "keep"
})

/**
 * How a recipe computes the gradients of a step: each batch in one pass and accumulated, or, where `microBatch` is
 * smaller than the batch, with cached embeddings (`cachedStep.ts`). Pictures are cropped and normalised for each pass
 * anew: that costs some 2 ms a pair at 224 px where keeping them would cost 0.6 MB of host memory a pair. Both passes see
 * the same crop, because noise is a function of (seed, epoch, sample key).
 */
export const makeGradients = <P extends TwoTowerParams, S>(
  { model, loss, config, backend, lrScaleOf }: Recipe<P, S>
): Gradients<P> => {
  const transform = trainingTransform(model.transform, config.augmentation)
  const tokenizer = tokenizerOf(model.transform.text)
  const key = keyOf(config.seed)

  /** A unit on the tensors of some samples, and the pause behind it. */
  const unitOn = (epoch: number, samples: Samples, use: (batch: ImageTextBatch) => void) =>
    Effect.suspend(() => {
      const whole = encodeTraining(transform, tokenizer, key, epoch, samples)
      const encoded = config.textCut === "longest" ? cutText(whole) : whole
      return backend.sync(() => {
        const batch = batchTensors(model.transform, encoded)
        try {
          use(batch)
        } finally {
          disposeBatch(batch)
        }
      })
    }).pipe(Effect.andThen(Effect.yieldNow))

  const accumulated: Gradients<P> = (params, batches, held, lossScale) =>
    Effect.forEach(batches, ({ samples, cursor }) =>
      unitOn(cursor.epoch, samples, (batch) => {
        const pass = gradientsOf(
          model,
          loss,
          params,
          batch,
          config.updateFreq,
          passOptionsOf(config, lrScaleOf, lossScale)
        )
        const before = held.gradients
        held.gradients = undefined // accumulate consumes what was held, also when it throws
        held.gradients = accumulate(before, pass)
      }), { discard: true })

  const cached = (size: number): Gradients<P> => (params, [batch], held, lossScale) =>
    Effect.suspend(() => {
      if (batch === undefined) return Effect.die(new RangeError("a step needs a batch"))
      const { samples, cursor } = batch
      const pieces = piecesOf(samples, size)
      const parts: Array<PairEmbeddings> = []
      let whole: LossResult | undefined
      let sum: P | undefined
      const freeParts = (): void => {
        for (const { imageEmbed, textEmbed } of parts.splice(0)) [imageEmbed, textEmbed].forEach((x) => x.dispose())
      }
      const firstPass = Effect.forEach(pieces, (piece) =>
        unitOn(cursor.epoch, piece.samples, (tensors) => {
          parts.push(embedPass(model, params, tensors, config.precision))
        }), { discard: true })
      const wholeLoss = backend.sync(() => {
        whole = lossPass(model, loss, params, parts)
        freeParts()
        return whole
      })
      const secondPass = ({ grads }: LossResult): Effect.Effect<void, UnitError> =>
        Effect.forEach(pieces, (piece) =>
          unitOn(cursor.epoch, piece.samples, (tensors) => {
            const pass = pullPass(
              model,
              params,
              tensors,
              grads,
              piece.from,
              passOptionsOf(config, lrScaleOf, lossScale)
            )
            const before = sum
            sum = undefined // addGradients consumes both, also when it throws
            sum = before === undefined ? pass : addGradients(before, pass)
          }), { discard: true })
      const handOver = Effect.sync(() => {
        if (sum === undefined || whole === undefined) return
        held.gradients = { grads: sum, loss: [whole.loss], correct: [whole.correct] }
        sum = undefined
        disposeGrads(whole)
        whole = undefined
      })
      return firstPass.pipe(
        Effect.andThen(wholeLoss),
        Effect.tap(Effect.yieldNow),
        Effect.flatMap(secondPass),
        Effect.andThen(handOver),
        Effect.onExit(() =>
          Effect.sync(() => {
            freeParts()
            if (sum !== undefined) disposeParams(sum)
            if (whole === undefined) return
            disposeGrads(whole)
            ;[whole.loss, whole.correct].forEach((scalar) => scalar.dispose())
          })
        )
      )
    })

  return config.microBatch !== null && config.microBatch < config.batchSize ? cached(config.microBatch) : accumulated
}

const disposeGrads = ({ grads }: LossResult): void => {
  for (const tensor of [grads.imageEmbed, grads.textEmbed, grads.logitScale]) tensor.dispose()
}
