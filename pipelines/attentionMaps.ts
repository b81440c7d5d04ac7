import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import { Effect } from "effect"
import type { RgbImage, Trained } from "../lib/api/index.ts"
import type { UnitError } from "../lib/backend/index.ts"
import { Backend } from "../lib/backend/index.ts"
import type { Clip, ClipConfig, ClipParams } from "../lib/models/index.ts"
import { lambdaInitOf, runVision } from "../lib/models/index.ts"
import type { DiffAttention } from "../lib/nn/index.ts"
import { lookAtDiffAttention } from "../lib/nn/index.ts"
import { encodePictures, evaluationTransform, noNoise } from "./encode.ts"
import { allReadings, mapReading, perform, type Reading, readingOf } from "./reading.ts"

/** What the class token looks at in one layer. Maps are [B, He, P], row-major: head pairs, patches from the top left. */
export interface LayerAttention {
  readonly lambda: number
  /** Pairs of heads, He = numHeads / 2. */
  readonly numPairs: number
  /** P, the patches of a picture; the class token's look at itself is left out. */
  readonly numPatches: number
  /** Weights of the first softmax; with the class token's own they sum to 1. */
  readonly first: Float32Array
  /** Weights of the second softmax, likewise. */
  readonly second: Float32Array
  /** first - lambda second: what the values are weighted with. */
  readonly difference: Float32Array
}

/** A model whose image tower has differential attention, whatever its text tower. */
export type DiffVisionModel<TA> = Clip<ClipParams<DiffAttention, TA>>

/** The class token's row of maps [B, He, N, N] without its first column: [B, He, P]; kept from the scopes around. */
const classRow = (maps: Tensor): Tensor => {
  const [b = 0, pairs = 0, n = 0] = maps.shape
  return tf.keep(tf.slice(maps, [0, 0, 0, 1], [b, pairs, 1, n - 1])) // [B, He, N, N] -> [B, He, 1, P]
}

/** `attentionMaps` as the work of one unit. */
export const readMaps = <TA>(
  model: DiffVisionModel<TA>,
  params: ClipParams<DiffAttention, TA>,
  images: Tensor
): Reading<ReadonlyArray<LayerAttention>> => {
  const { settings } = model
  const rows: Array<Tensor> = [] // kept, since a block frees its maps when it ends
  const layers: Array<Reading<LayerAttention>> = []
  try {
    runVision(
      settings,
      (layer) => {
        const lambdaInit = lambdaInitOf(settings.lambdaInit, layer)
        const look = lookAtDiffAttention({ numHeads: settings.vision.numHeads, mask: "none", lambdaInit })
        return (p, x) => {
          const { out, ...maps } = look(p, x)
          const kept = [
            classRow(maps.first.tensor),
            classRow(maps.second.tensor),
            tf.keep(tf.clone(maps.lambda.tensor))
          ]
          rows.push(...kept)
          layers.push(mapReading(allReadings(kept.map(readingOf)), (numbers) => layerOf(settings, numbers)))
          return out
        }
      },
      params.visual,
      images
    )
  } catch (error) {
    tf.dispose(rows)
    throw error
  }
  return allReadings(layers)
}

const NONE = new Float32Array()

const layerOf = (
  { vision, imageSize, patchSize }: ClipConfig,
  [first = NONE, second = NONE, [lambda = Number.NaN] = NONE]: ReadonlyArray<Float32Array>
): LayerAttention => ({
  lambda,
  numPairs: vision.numHeads / 2,
  numPatches: (imageSize / patchSize) ** 2,
  first,
  second,
  difference: first.map((weight, i) => weight - lambda * (second[i] ?? Number.NaN))
})

/**
 * Both attention maps of the class token and their difference, layer by layer, for images [B, 3, S, S] normalised as the
 * model wants them. Source: DiffCLIP section 3 and its figure of attention maps.
 */
export const attentionMaps = <TA>(
  model: DiffVisionModel<TA>,
  params: ClipParams<DiffAttention, TA>,
  images: Tensor
): Effect.Effect<ReadonlyArray<LayerAttention>, UnitError, Backend> =>
  Effect.flatMap(Backend, (backend) => perform(backend, () => readMaps(model, params, images)))

/** `attentionMaps` of a trained model for decoded pictures of any size, put through the evaluation's transform. */
export const lookAtPictures = <TA>(
  { model, params }: Trained<DiffVisionModel<TA>>,
  pictures: ReadonlyArray<RgbImage>
): Effect.Effect<ReadonlyArray<LayerAttention>, UnitError, Backend> =>
  Effect.flatMap(Backend, (backend) =>
    perform(backend, () => {
      const { size } = model.transform.image
      const pixels = encodePictures(evaluationTransform(model.transform), pictures, noNoise)
      return readMaps(model, params, tf.tensor4d(pixels, [pictures.length, 3, size, size]))
    }))

/** The mean over head pairs of one picture's map: [B, He, P] -> [P]. */
export const meanOverHeads = (
  map: Float32Array,
  { numPairs, numPatches }: Pick<LayerAttention, "numPairs" | "numPatches">,
  picture: number
): Float32Array =>
  Float32Array.from({ length: numPatches }, (_, patch) => {
    let sum = 0
    for (let pair = 0; pair < numPairs; pair++) sum += map[(picture * numPairs + pair) * numPatches + patch] ?? 0
    return sum / numPairs
  })
