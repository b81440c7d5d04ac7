/** A block, a tower, a whole training step. */
import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import { contrastive } from "../../../lib/losses/index.ts"
import { type ClipSizes, makeDiffClip, numImageTokens, type TowerConfig } from "../../../lib/models/index.ts"
import { type Block, block, type DiffAttention, diffAttention, initialize } from "../../../lib/nn/index.ts"
import { adamW } from "../../../lib/optim/index.ts"
import { disposeParams, keyOf, value } from "../../../lib/tensor/index.ts"
import { stepFlops } from "../../../pipelines/flops.ts"
import { applyUpdate, gradientsOf } from "../../../pipelines/trainStep.ts"
import { filled, vjpWork } from "./cases.ts"
import type { Case, Prepared } from "./measure.ts"
import type { Sizes } from "./sizes.ts"

const RATE = 1e-6
/** Of the logarithm of the scale, as published. */
const CLAMP = [0, 4.6052] as const

/** A block of an image tower with differential attention. */
export const makeBlock = (tower: TowerConfig, batch: number, tokens: number): Prepared => {
  const least = { width: 16, layers: 1, numHeads: 2 }
  const sizes = { imageSize: 16, patchSize: 8, text: least, contextLength: 8, vocabSize: 8, embedDim: 8 }
  const specs = makeDiffClip("block", { ...sizes, vision: { ...tower, layers: 1 } }).specs.visual.blocks[0]
  if (specs === undefined) throw new Error("a model of one layer has no first block")
  const params = {
    block: initialize<Block<DiffAttention>>(specs, keyOf(1)),
    x: value(filled([batch, tokens, tower.width]))
  }
  const run = block(diffAttention({ numHeads: tower.numHeads, mask: "none", lambdaInit: 0.8 }), "gelu", 1e-5)
  return { work: vjpWork(params, (p) => run(p.block, p.x), "both"), dispose: () => disposeParams(params) }
}

const blockFlops = (width: number, tokens: number, batch: number): number =>
  3 * batch * (24 * tokens * width ** 2 + 4 * tokens ** 2 * width)

const blockCase = ({ blockBatch: batch, model }: Sizes): Case => {
  const [tokens, { width, numHeads }] = [numImageTokens(model), model.vision]
  return {
    name: "block",
    shape: `one image block forward and backward, batch ${batch}, ${tokens} tokens, width ${width}, ${numHeads} heads`,
    flops: blockFlops(width, tokens, batch),
    torch: { what: "block", batch, tokens, width, numHeads },
    make: () => makeBlock(model.vision, batch, tokens)
  }
}

const towerCase = ({ model: config, modelName, towerBatch: batch }: Sizes): Case => ({
  name: "tower",
  shape: `image tower forward and backward, batch ${batch}, ${modelName}`,
  flops: config.vision.layers * blockFlops(config.vision.width, numImageTokens(config), batch),
  torch: { what: "tower", model: makeDiffClip("bench", config).settings, batch },
  make: () => {
    const model = makeDiffClip("bench", config)
    const params = model.init(keyOf(1))
    const images = filled([batch, 3, config.imageSize, config.imageSize])
    const dispose = (): void => {
      disposeParams(params)
      images.dispose()
    }
    return { work: vjpWork(params, (p) => model.encodeImage(p, images), "both"), dispose }
  }
})

/** Captions whose end-of-text token, the largest id, stands at half of the context. */
const captions = ({ contextLength: l, vocabSize }: ClipSizes, batch: number): Tensor => {
  const end = l >> 1
  const ids = Int32Array.from({ length: batch * l }, (_, i) => {
    const place = i % l
    return place > end ? 0 : place === end ? vocabSize - 1 : 1 + (i * 7919) % (vocabSize - 2)
  })
  return tf.keep(tf.tensor(ids, [batch, l], "int32"))
}

/** A training step of a model: forward, backward and update of a batch. */
export const makeStep = (config: ClipSizes, batchSize: number): Prepared => {
  const model = makeDiffClip("bench", config)
  let params = model.init(keyOf(1))
  const optimizer = adamW<typeof params>()
  let state = optimizer.init(params)
  const batch = {
    images: filled([batchSize, 3, config.imageSize, config.imageSize]),
    tokens: captions(config, batchSize)
  }
  return {
    work: () => {
      const { grads, loss, correct } = gradientsOf(model, contrastive.exact, params, batch, 1)
      const next = applyUpdate(optimizer, grads, state, params, RATE, CLAMP)
      params = next.params
      state = next.state
      tf.dispose([loss, correct, next.logitScaleBeforeClamp])
    },
    dispose: () => {
      for (const tree of [params, state.mu, state.nu]) disposeParams(tree)
      tf.dispose([batch.images, batch.tokens])
    }
  }
}

const stepCases = ({ batches, model, modelName }: Sizes): ReadonlyArray<Case> => {
  const { settings } = makeDiffClip("bench", model)
  return batches.map((batch) => ({
    name: "train-step",
    shape: `batch ${batch}, ${modelName}`,
    flops: stepFlops(settings, { batchSize: batch, microBatch: null, updateFreq: 1, checkpointBlocks: "none" }),
    torch: { what: "train-step", model: settings, batch },
    make: () => makeStep(model, batch),
    countsMemory: true
  }))
}

/** All of them. */
export const modelCases = (sizes: Sizes): ReadonlyArray<Case> => [
  blockCase(sizes),
  towerCase(sizes),
  ...stepCases(sizes)
]
