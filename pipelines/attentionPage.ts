import { Effect } from "effect"
import type { RgbImage, Trained } from "../lib/api/index.ts"
import type { Backend, UnitError } from "../lib/backend/index.ts"
import { float32Tensor, type TensorToWrite } from "../lib/checkpoint/index.ts"
import { type AttentionExample, plainText, renderReport, type ReportPicture } from "../lib/track/index.ts"
import { type DiffVisionModel, type LayerAttention, lookAtPictures, meanOverHeads } from "./attentionMaps.ts"
import { encodePictures, evaluationTransform, noNoise } from "./encode.ts"

/** The picture as the model sees it: resized and cropped to [S, S], without the normalisation. */
export const seenBy = <TA>({ transform }: DiffVisionModel<TA>, picture: RgbImage): RgbImage => {
  const { size, mean, std } = transform.image
  const pixels = encodePictures(evaluationTransform(transform), [picture], noNoise) // [3, S, S]
  const data = Uint8Array.from({ length: size * size * 3 }, (_, i) => {
    const channel = i % 3
    const level = (pixels[channel * size * size + (i - channel) / 3] ?? 0) * (std[channel] ?? 1) + (mean[channel] ?? 0)
    return Math.round(255 * Math.min(1, Math.max(0, level)))
  })
  return { width: size, height: size, data }
}

/** What the class token looks at in a picture: a page for people, and the maps for programs. */
export interface AttentionPage {
  /** One self-contained page: per layer, the means over head pairs of both maps and of their difference. */
  readonly html: string
  /** `first`, `second` and `difference` [layers, He, rows, columns], and `lambda` [layers]. */
  readonly tensors: ReadonlyArray<TensorToWrite>
}

/**
 * Both attention maps of every layer and their difference for one picture. `encode` makes a URL of the picture as the
 * model sees it, for the page. Source: DiffCLIP, the figure of attention maps.
 */
export const attentionPage = <TA, E, R>(
  trained: Trained<DiffVisionModel<TA>>,
  picture: { readonly name: string; readonly image: RgbImage },
  encode: (image: RgbImage) => Effect.Effect<string, E, R>
): Effect.Effect<AttentionPage, E | UnitError, R | Backend> =>
  Effect.gen(function* () {
    const { model, step } = trained
    const layers = yield* lookAtPictures(trained, [picture.image])
    const url = yield* encode(seenBy(model, picture.image))
    const side = model.settings.imageSize / model.settings.patchSize
    const name = plainText(picture.name)
    return {
      html: renderReport({
        title: `What ${model.name} looks at in ${name}`,
        summary: "The class token's attention in each layer of the image tower, averaged over the pairs of heads.",
        facts: [
          { name: "model", value: model.name },
          { name: "step", value: String(step) },
          { name: "layers", value: String(layers.length) },
          { name: "head pairs", value: String(model.settings.vision.numHeads / 2) }
        ],
        results: [],
        attention: { examples: layers.map((layer, i) => exampleOf(layer, side, { url, name: `layer ${i + 1}` })) }
      }),
      tensors: tensorsOf(layers, side)
    }
  })

const exampleOf = (layer: LayerAttention, side: number, picture: ReportPicture): AttentionExample => {
  const mapOf = (weights: Float32Array) => ({ rows: side, columns: side, values: meanOverHeads(weights, layer, 0) })
  return {
    picture,
    first: mapOf(layer.first),
    second: mapOf(layer.second),
    difference: mapOf(layer.difference),
    lambda: layer.lambda
  }
}

const tensorsOf = (layers: ReadonlyArray<LayerAttention>, side: number): ReadonlyArray<TensorToWrite> => {
  const shape = [layers.length, layers[0]?.numPairs ?? 0, side, side]
  const stacked = (mapOf: (layer: LayerAttention) => Float32Array): Float32Array =>
    Float32Array.from(layers.flatMap((layer) => [...mapOf(layer)]))
  return [
    float32Tensor("first", shape, stacked(({ first }) => first)),
    float32Tensor("second", shape, stacked(({ second }) => second)),
    float32Tensor("difference", shape, stacked(({ difference }) => difference)),
    float32Tensor("lambda", [layers.length], Float32Array.from(layers, ({ lambda }) => lambda))
  ]
}
