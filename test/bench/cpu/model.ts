/** A model in one of our engines: what the driver checks and times. */
import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import { float32Tensor, isPlain, isVisionOnly, officialNames } from "../../../lib/checkpoint/index.ts"
import { contrastive } from "../../../lib/losses/index.ts"
import { type Clip, type ClipConfig, clipFromConfig } from "../../../lib/models/index.ts"
import { attention, block, diffAttention, mapSpecs } from "../../../lib/nn/index.ts"
import { adamW, type AdamWState } from "../../../lib/optim/index.ts"
import * as ops from "../../../lib/ops/index.ts"
import {
  disposeParams,
  leavesOf,
  type Params,
  type Value,
  value,
  valueAndGrad,
  vjp
} from "../../../lib/tensor/index.ts"
import { applyUpdate, gradientsOf, type TwoTowerParams } from "../../../pipelines/trainStep.ts"
import { openTensorsAt, writeTensors } from "./files.ts"
import { flopsOf, type Product, stepProducts } from "./products.ts"
import type { Work } from "./protocol.ts"

/** Work on one model and one batch, in the engine that is tfjs's current backend; all synchronous. */
export interface Measured {
  readonly inputs: (file: string) => void
  /** Writes embeddings, loss and the named gradients. */
  readonly check: (names: ReadonlyArray<string>, file: string) => void
  /** Does the work once and waits for its result. */
  readonly work: (what: Work) => void
  /** Seconds that the step's products take as plain products of matrices, and their operations. */
  readonly gemm: () => { readonly seconds: number; readonly flops: number }
}

const RATE = 1e-6
/** Of the logarithm of the scale, as published. */
const CLAMP = [0, 4.6052] as const

const readWeights = <P extends Params>(model: Clip<P>, file: string): P => {
  const names = new Map(officialNames(model.settings).map(({ name, path }) => [path, name]))
  const reader = openTensorsAt(file)
  const params = mapSpecs<P>(
    model.specs,
    ({ path, spec }) => value(tf.keep(tf.tensor(reader.floats(names.get(path) ?? path), [...spec.shape], "float32")))
  )
  reader.close()
  return params
}

const ones = (shape: ReadonlyArray<number>): Tensor => tf.fill([...shape], 0.5)

const timeOf = ({ batch, m, k, n, transposed }: Product): number => {
  const a = ones(transposed === "a" ? [batch, k, m] : [batch, m, k])
  const b = ones(transposed === "b" ? [batch, n, k] : [batch, k, n])
  const multiply = (): void => tf.matMul(a, b, transposed === "a", transposed === "b").dispose()
  multiply()
  const start = performance.now()
  multiply()
  const seconds = (performance.now() - start) / 1000
  tf.dispose([a, b])
  return seconds
}

/** Forward and backward of the first vision block, with differential or with ordinary attention, at the model's sizes. */
const blockWork = ({ vision, lambdaInit, imageSize, patchSize }: ClipConfig) => {
  const [d, { numHeads }] = [vision.width, vision]
  const random = (shape: Array<number>, std = 0.02): Value =>
    value(tf.keep(tf.randomNormal(shape, 0, std, "float32", 7)))
  const linear = (out: number, inputs = d) => ({ weight: random([out, inputs]), bias: random([out]) })
  const norm = () => ({ weight: random([d], 1), bias: random([d]) })
  const around = () => ({ norm1: norm(), norm2: norm(), mlp: { fc1: linear(4 * d), fc2: linear(d, 4 * d) } })
  const vector = () => random([d / numHeads], 0.1)
  const lambda = { q1: vector(), k1: vector(), q2: vector(), k2: vector() }
  const out = linear(d)
  const differential = { lambda, q: linear(d), k: linear(d), v: linear(d), out, subNorm: random([2 * d / numHeads], 1) }
  const options = { numHeads, mask: "none" } as const
  const start = lambdaInit === "depth" ? 0.8 : lambdaInit
  const plainParams = { block: { ...around(), attn: { qkv: linear(3 * d), out } }, x: random([1]) }
  const diffParams = { block: { ...around(), attn: differential }, x: random([1]) }
  const plain = block(attention(options), "gelu", 1e-5)
  const diff = block(diffAttention({ ...options, lambdaInit: start }), "gelu", 1e-5)
  const tokens = 1 + (imageSize / patchSize) ** 2
  return (what: "block-differential" | "block-softmax", batch: number): void => {
    const x = random([batch, tokens, d], 1)
    const seed = ones([batch, tokens, d])
    const begin = <P extends Params>(params: P, forward: (p: P, x: Value) => Value): void => {
      const { outputs, pullback } = vjp({ params, x }, (p) => ({ y: forward(p.params, p.x) }))
      disposeParams(pullback({ y: seed }))
      outputs.y.tensor.dispose()
    }
    if (what === "block-softmax") begin(plainParams.block, plain)
    else begin(diffParams.block, diff)
    tf.dispose([x.tensor, seed])
  }
}

const measured = <P extends TwoTowerParams>(model: Clip<P>, weights: string): Measured => {
  let params = readWeights(model, weights)
  const optimizer = adamW<P>()
  let state: AdamWState<P> | undefined
  let batch: { readonly images: Tensor; readonly tokens: Tensor } | undefined
  let inBlock: ReturnType<typeof blockWork> | undefined
  const { settings } = model
  const held = () => {
    if (batch === undefined) throw new Error("expected inputs first")
    return batch
  }
  const encode = (encoder: (p: P, x: Tensor) => Value, x: Tensor): void => {
    tf.tidy(() => encoder(params, x).tensor.dataSync())
  }
  const step = (): void => {
    state ??= optimizer.init(params)
    const { grads, loss, correct } = gradientsOf(model, contrastive.exact, params, held(), 1)
    const next = applyUpdate(optimizer, grads, state, params, RATE, CLAMP)
    params = next.params
    state = next.state
    loss.dataSync()
    tf.dispose([loss, correct, next.logitScaleBeforeClamp])
  }
  return {
    inputs: (file) => {
      if (batch !== undefined) tf.dispose([batch.images, batch.tokens])
      const reader = openTensorsAt(file)
      const shapeOf = (name: string): Array<number> => [...reader.entries.get(name)?.shape ?? []]
      batch = {
        images: tf.keep(tf.tensor(reader.floats("images"), shapeOf("images"))),
        tokens: tf.keep(tf.tensor(reader.integers("tokens"), shapeOf("tokens"), "int32"))
      }
      reader.close()
    },
    check: (names, file) => {
      const embeddings = tf.tidy(() => {
        const { imageEmbed, textEmbed } = model.apply(params, held())
        return { image_embed: tf.clone(imageEmbed.tensor), text_embed: tf.clone(textEmbed.tensor) }
      })
      const { loss, grads } = valueAndGrad(
        params,
        (p) => contrastive.exact.compute(model.apply(p, held())).loss
      )
      const paths = new Map(officialNames(settings).map(({ name, path }) => [path, name]))
      const gradients = leavesOf(grads).flatMap(({ path, value: leaf }) => {
        const name = paths.get(path) ?? path
        return names.includes(name) ? [[`grad ${name}`, leaf.tensor] as const] : []
      })
      const found = [...Object.entries(embeddings), ["loss", loss] as const, ...gradients]
      writeTensors(
        file,
        found.map(([name, tensor]) => float32Tensor(name, tensor.shape, Float32Array.from(tensor.dataSync())))
      )
      disposeParams(grads)
      tf.dispose([loss, embeddings.image_embed, embeddings.text_embed])
    },
    work: (what) => {
      if (what === "train-step") return step()
      if (what === "encode-image") return encode(model.encodeImage, held().images)
      if (what === "encode-text") return encode(model.encodeText, held().tokens)
      inBlock ??= blockWork(settings)
      return inBlock(what, held().images.shape[0] ?? 0)
    },
    gemm: () => {
      const products = stepProducts(settings, held().images.shape[0] ?? 0)
      return products.reduce(
        (sum, product) => ({
          seconds: sum.seconds + product.times * timeOf(product),
          flops: sum.flops + flopsOf(product)
        }),
        { seconds: 0, flops: 0 }
      )
    }
  }
}

/** A model with the weights of a file; the driver sends inputs before anything else. */
export const measuredModel = (config: ClipConfig, weights: string): Measured => {
  const model = clipFromConfig("bench", config)
  return isPlain(model) ?
    measured(model, weights) :
    isVisionOnly(model) ?
    measured(model, weights) :
    measured(model, weights)
}

/** Forward and backward of differential attention alone: batch 2, width 768, 12 heads. */
export const attentionOnce = (tokens: number): void => {
  const [batch, d, numHeads] = [2, 768, 12]
  const random = (seed: number): Value => value(tf.keep(tf.randomNormal([batch, tokens, d], 0, 1, "float32", seed)))
  const inputs = { q: random(1), k: random(2), v: random(3), lambda: value(tf.keep(tf.scalar(0.5))) }
  const seed = ones([batch, tokens, d])
  const { outputs, pullback } = vjp(inputs, ({ q, k, v, lambda }) => ({
    y: ops.diffAttention(q, k, v, lambda, { numHeads, mask: "none" })
  }))
  disposeParams(pullback({ y: seed }))
  disposeParams(outputs)
  disposeParams(inputs)
  seed.dispose()
}
