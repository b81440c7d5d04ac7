import { Schema } from "effect"
import type { ImageTextBatch } from "../../lib/api/index.ts"
import { contrastive } from "../../lib/losses/index.ts"
import type { Clip, ClipParams, ClipTrace } from "../../lib/models/index.ts"
import { lambdaInitOf, layerNormEps } from "../../lib/models/index.ts"
import * as ops from "../../lib/ops/index.ts"
import type { Value } from "../../lib/tensor/index.ts"
import { leavesOf, value } from "../../lib/tensor/index.ts"
import { gradientsOf } from "../trainStep.ts"
import type { Golden } from "./golden.ts"
import { check, checkBoth, guarded } from "./golden.ts"
import { namesByPath, officialOf, paramsOf, withModel } from "./goldenModel.ts"
import { checkParameter } from "./keyBias.ts"
import type { Row } from "./row.ts"
import { abs, compare, err, exact } from "./row.ts"
import { inScope, read, take, tensorOf } from "./tensors.ts"

/** GOLDENS 4; key biases and lambda as in 3. */
const limits = {
  act: err(2e-5),
  embed: abs(2e-5),
  logits: abs(1e-4),
  loss: abs(1e-5),
  grad: { limit: err(3e-5), keyBias: abs(2e-5) },
  logitScale: err(1e-5),
  acc: abs(1e-4),
  lambda: err(1e-6)
}

/** The name of a differential attention or norm in the official code, from the library's `visual.I` and `text.I`. */
const blockName = (tower: string, layer: string | number): string =>
  tower === "visual" ? `visual.blocks.${layer}` : `transformer.resblocks.${layer}`

/** The activations of a trace under the names of the file. */
const activations = ({ vision, text }: ClipTrace): ReadonlyArray<readonly [string, Value]> => [
  ["act.patch_embed", vision.embedded],
  ...vision.blocks.map((block, i) => [`act.${blockName("visual", i)}`, block] as const),
  ["act.visual_pooled", vision.pooled],
  ...text.blocks.map((block, i) => [`act.${blockName("text", i)}`, block] as const),
  ["act.ln_final", text.normed]
]

const forwardRows = <VA, TA>(
  golden: Golden,
  model: Clip<ClipParams<VA, TA>>,
  params: ClipParams<VA, TA>,
  batch: ImageTextBatch
): ReadonlyArray<Row> => {
  const trace = model.trace(params, batch)
  const scale = ops.exp(model.logitScale(params))
  const texts = ops.transpose(ops.l2Normalize(trace.textEmbed), [1, 0]) // [B, E] -> [E, B]
  const logits = ops.mul(ops.matmul(ops.l2Normalize(trace.imageEmbed), texts), scale) // [B, B]
  return [
    ...activations(trace).map(([name, value]) => check(golden, name, read(value), limits.act)),
    ...checkBoth(golden, "image_embed", read(trace.imageEmbed), limits.embed),
    ...checkBoth(golden, "text_embed", read(trace.textEmbed), limits.embed),
    check(golden, "logit_scale", read(scale), limits.logitScale),
    ...checkBoth(golden, "logits_per_image", read(logits), limits.logits)
  ]
}

const gradientRows = <VA, TA>(
  golden: Golden,
  model: Clip<ClipParams<VA, TA>>,
  params: ClipParams<VA, TA>,
  batch: ImageTextBatch
): ReadonlyArray<Row> => {
  const names = namesByPath(model.settings)
  const { grads, ...figures } = gradientsOf(model, contrastive.exact, params, batch, 1)
  const [loss = Number.NaN, correct = Number.NaN] = [figures.loss, figures.correct].flatMap((x) => [...take(value(x))])
  const found = leavesOf(grads).map(({ path, value }) => ({ path, numbers: take(value) }))
  const acc = [100 * correct / (batch.images.shape[0] ?? 0)]
  return [
    ...checkBoth(golden, "loss", [loss], limits.loss),
    compare(golden.file, "metadata loss64", [loss], [Number(golden.text("loss64"))], limits.loss),
    check(golden, "acc", acc, limits.acc),
    ...found.flatMap(({ path, numbers }) =>
      checkParameter(golden, `grad.${officialOf(names, path)}`, path, numbers, limits.grad)
    )
  ]
}

const Lambdas = Schema.Record(
  Schema.String,
  Schema.Struct({ lambda_init: Schema.Finite, lambda_: Schema.Finite })
)
const Epsilons = Schema.Record(Schema.String, Schema.Finite)

/** What the metadata say of the model: size, lambdas and the eps of each norm. */
const metadataRows = <VA, TA>(
  golden: Golden,
  model: Clip<ClipParams<VA, TA>>,
  params: ClipParams<VA, TA>
): ReadonlyArray<Row> => {
  const { settings } = model
  const lambdas = golden.json("lambda", Lambdas)
  const own = new Map(
    Object.entries(model.lambdas(params)).map(([name, value]) => {
      const [tower = "", layer = ""] = name.split(".")
      return [`${blockName(tower, layer)}.attn`, { value, layer: Number(layer) }]
    })
  )
  const missing = (name: string): Row => compare(golden.file, `metadata lambda.${name}`, [], [0], exact)
  const epsilons = Object.entries(golden.json("layernorm_eps", Epsilons))
  return [
    compare(golden.file, "metadata n_params", [model.numParameters], [Number(golden.text("n_params"))], exact),
    compare(
      golden.file,
      "metadata layernorm_eps",
      epsilons.map(([name]) => layerNormEps(settings.kind, name.startsWith("visual.") ? "vision" : "text")),
      epsilons.map(([, eps]) => eps),
      exact
    ),
    compare(golden.file, "metadata lambda", [own.size], [Object.keys(lambdas).length], exact, "number of modules"),
    ...Object.entries(lambdas).flatMap(([name, { lambda_, lambda_init }]) => {
      const found = own.get(name)
      if (found === undefined) return [missing(name)]
      const init = lambdaInitOf(settings.lambdaInit, found.layer)
      return [
        compare(golden.file, `metadata lambda.${name}`, read(found.value), [lambda_], limits.lambda),
        compare(golden.file, `metadata lambda_init.${name}`, [init], [lambda_init], abs(1e-15))
      ]
    })
  ]
}

/**
 * Rows of a `tiny_*.safetensors`: every activation, embeddings, logits, loss, accuracy and the gradient of every
 * parameter of a complete model, on the backend in use. Source: GOLDENS 4.
 */
export const verifyTinyModel = (golden: Golden): ReadonlyArray<Row> =>
  guarded(golden.file, "model", () =>
    withModel(golden, (model) =>
      inScope(() => {
        const { imageSize, contextLength } = model.settings
        const params = paramsOf(golden, "state.", model)
        const b = Number(golden.text("batch"))
        const images = tensorOf(golden, "images", [b, 3, imageSize, imageSize])
        const tokens = tensorOf(golden, "tokens", [b, contextLength], "int32")
        const batch = { images, tokens }
        return [
          ...metadataRows(golden, model, params),
          ...forwardRows(golden, model, params, batch),
          ...gradientRows(golden, model, params, batch)
        ]
      })))
