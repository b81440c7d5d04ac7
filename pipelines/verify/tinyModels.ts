import { Schema } from "effect"
import type { ImageTextBatch } from "../../lib/api/index.ts"
import { contrastive } from "../../lib/losses/index.ts"
import type { Clip, ClipParams, ClipTrace } from "../../lib/models/index.ts"
import { lambdaInitOf, layerNormEps } from "../../lib/models/index.ts"
import * as ops from "../../lib/ops/index.ts"
import type { Value } from "../../lib/tensor/index.ts"
import { leavesOf, value } from "../../lib/tensor/index.ts"
import { gradientsOf } from "../trainStep.ts"
import type { Engine, Reading } from "../reading.ts"
import { concatReadings, known, perform } from "../reading.ts"
import type { EngineRows, Golden } from "./golden.ts"
import { check, checkBoth, guardedEffect } from "./golden.ts"
import { namesByPath, officialOf, paramsOf, withModel } from "./goldenModel.ts"
import { checkParameter } from "./keyBias.ts"
import type { Row } from "./row.ts"
import { abs, compare, err, exact } from "./row.ts"
import { reading, tensorOf } from "./tensors.ts"

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
): Reading<ReadonlyArray<Row>> => {
  const trace = model.trace(params, batch)
  const scale = ops.exp(model.logitScale(params))
  const texts = ops.transpose(ops.l2Normalize(trace.textEmbed), [1, 0]) // [B, E] -> [E, B]
  const logits = ops.mul(ops.matmul(ops.l2Normalize(trace.imageEmbed), texts), scale) // [B, B]
  return concatReadings([
    ...activations(trace).map(([name, x]) => reading(x, (found) => [check(golden, name, found, limits.act)])),
    reading(trace.imageEmbed, (found) => checkBoth(golden, "image_embed", found, limits.embed)),
    reading(trace.textEmbed, (found) => checkBoth(golden, "text_embed", found, limits.embed)),
    reading(scale, (found) => [check(golden, "logit_scale", found, limits.logitScale)]),
    reading(logits, (found) => checkBoth(golden, "logits_per_image", found, limits.logits))
  ])
}

const gradientRows = <VA, TA>(
  golden: Golden,
  model: Clip<ClipParams<VA, TA>>,
  params: ClipParams<VA, TA>,
  batch: ImageTextBatch
): Reading<ReadonlyArray<Row>> => {
  const names = namesByPath(model.settings)
  const { grads, loss, correct } = gradientsOf(model, contrastive.exact, params, batch, 1)
  const b = batch.images.shape[0] ?? 0
  return concatReadings([
    reading(value(loss), (found) => [
      ...checkBoth(golden, "loss", found, limits.loss),
      compare(golden.file, "metadata loss64", found, [Number(golden.text("loss64"))], limits.loss)
    ]),
    reading(value(correct), (found) => [check(golden, "acc", found.map((n) => 100 * n / b), limits.acc)]),
    ...leavesOf(grads).map(({ path, value: grad }) =>
      reading(grad, (found) => checkParameter(golden, `grad.${officialOf(names, path)}`, path, found, limits.grad))
    )
  ])
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
): Reading<ReadonlyArray<Row>> => {
  const { settings } = model
  const lambdas = golden.json("lambda", Lambdas)
  const own = new Map(
    Object.entries(model.lambdas(params)).map(([name, lambda]) => {
      const [tower = "", layer = ""] = name.split(".")
      return [`${blockName(tower, layer)}.attn`, { lambda, layer: Number(layer) }]
    })
  )
  const missing = (name: string): Row => compare(golden.file, `metadata lambda.${name}`, [], [0], exact)
  const epsilons = Object.entries(golden.json("layernorm_eps", Epsilons))
  const rows = [
    compare(golden.file, "metadata n_params", [model.numParameters], [Number(golden.text("n_params"))], exact),
    compare(
      golden.file,
      "metadata layernorm_eps",
      epsilons.map(([name]) => layerNormEps(settings.kind, name.startsWith("visual.") ? "vision" : "text")),
      epsilons.map(([, eps]) => eps),
      exact
    ),
    compare(golden.file, "metadata lambda", [own.size], [Object.keys(lambdas).length], exact, "number of modules")
  ]
  const ofModules = Object.entries(lambdas).map(([name, { lambda_, lambda_init }]) => {
    const found = own.get(name)
    if (found === undefined) return known([missing(name)])
    const init = lambdaInitOf(settings.lambdaInit, found.layer)
    return reading(found.lambda, (lambda) => [
      compare(golden.file, `metadata lambda.${name}`, lambda, [lambda_], limits.lambda),
      compare(golden.file, `metadata lambda_init.${name}`, [init], [lambda_init], abs(1e-15))
    ])
  })
  return concatReadings([known(rows), ...ofModules])
}

/**
 * Rows of a `tiny_*.safetensors`: every activation, embeddings, logits, loss, accuracy and the gradient of every
 * parameter of a complete model, on an engine. Source: GOLDENS 4.
 */
export const verifyTinyModel = <E>(golden: Golden, engine: Engine<E>): EngineRows<E> =>
  guardedEffect(golden.file, "model", () =>
    withModel(golden, (model) =>
      perform(engine, () => {
        const { imageSize, contextLength } = model.settings
        const params = paramsOf(golden, "state.", model)
        const b = Number(golden.text("batch"))
        const images = tensorOf(golden, "images", [b, 3, imageSize, imageSize])
        const tokens = tensorOf(golden, "tokens", [b, contextLength], "int32")
        const batch = { images, tokens }
        return concatReadings([
          metadataRows(golden, model, params),
          forwardRows(golden, model, params, batch),
          gradientRows(golden, model, params, batch)
        ])
      })))
