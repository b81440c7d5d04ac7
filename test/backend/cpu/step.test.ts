import * as tf from "@tensorflow/tfjs-core"
import { describe, expect, it } from "vitest"
import type { DualEncoder, ImageTextBatch, Optimizer } from "../../../lib/api/index.ts"
import { registrations } from "../../../lib/backend/cpu/registrations.ts"
import { contrastive } from "../../../lib/losses/index.ts"
import { makeClip, makeDiffClip, makeDiffClipStar, makeDiffClipVision } from "../../../lib/models/index.ts"
import { adamW, chain, clipByGlobalNorm, decayWeights, isMatrix, scaleByAdam } from "../../../lib/optim/index.ts"
import { disposeParams, keyOf, leavesOf, normal } from "../../../lib/tensor/index.ts"
import { embedPass, lossPass, pullPass } from "../../../pipelines/cachedStep.ts"
import type { TwoTowerParams } from "../../../pipelines/trainStep.ts"
import {
  accumulate,
  addGradients,
  applyUpdate,
  disposeFigures,
  gradientsOf,
  type StepGradients
} from "../../../pipelines/trainStep.ts"
import { useEngine } from "./engine.ts"

const { engine } = useEngine(2)

const tower = { width: 8, layers: 2, numHeads: 2 }
const sizes = {
  ...{ imageSize: 8, patchSize: 4, contextLength: 5, vocabSize: 20, embedDim: 6 },
  ...{ vision: tower, text: tower }
}

/** Kernels of the registry that compute on the calling thread, in JavaScript (stock/host.ts). */
const hostKernels = [
  ...["Equal", "NotEqual", "Greater", "GreaterEqual", "Less", "LessEqual", "LogicalAnd", "LogicalOr", "LogicalNot"],
  ...["SquaredDifference", "FloorDiv", "Mod", "Pow", "Select", "Log", "Erf", "Tanh", "Floor", "Ceil", "Round", "Sign"],
  ...["Relu", "IsNan", "IsInf", "IsFinite", "Prod", "All", "Any", "ArgMax", "ArgMin", "Range", "OneHot"]
]

const batchOf = (seed: number): ImageTextBatch => ({
  images: tf.tensor(normal(keyOf(seed), 4 * 3 * 64, 1), [4, 3, 8, 8]),
  tokens: tf.tensor(Array.from({ length: 20 }, (_, i) => i % 5 === 4 ? 19 : (i * 7 + seed) % 18), [4, 5], "int32")
})

type Clip<P extends TwoTowerParams> = DualEncoder<P> & { readonly init: (key: ReturnType<typeof keyOf>) => P }

/** The sum over micro-batches with losses of their own, blocks recomputed in the backward pass. */
const accumulated = <P extends TwoTowerParams>(
  model: Clip<P>,
  params: P,
  batches: ReadonlyArray<ImageTextBatch>
): P => {
  let step: StepGradients<P> | undefined
  for (const batch of batches) {
    const options = { checkpoints: "recompute" } as const
    const pass = gradientsOf(model, contrastive.asPublished({ worldSize: 2 }), params, batch, batches.length, options)
    step = accumulate(step, pass)
  }
  if (step === undefined) throw new RangeError("a step needs a micro-batch")
  disposeFigures(step)
  return step.grads
}

/** The gradient of one loss of all micro-batches through cached embeddings. */
const cached = <P extends TwoTowerParams>(
  model: Clip<P>,
  params: P,
  batches: ReadonlyArray<ImageTextBatch>
): P => {
  const parts = batches.map((batch) => embedPass(model, params, batch))
  const whole = lossPass(model, contrastive.exact, params, parts)
  const [first, ...rest] = batches.map((batch, i) => pullPass(model, params, batch, whole.grads, 4 * i))
  if (first === undefined) throw new RangeError("a step needs a micro-batch")
  tf.dispose([...parts.flatMap(({ imageEmbed, textEmbed }) => [imageEmbed, textEmbed]), whole.loss, whole.correct])
  tf.dispose([whole.grads.imageEmbed, whole.grads.textEmbed, whole.grads.logitScale])
  return rest.reduce((sum, pass) => addGradients(sum, pass), first)
}

/** A whole step on new parameters; everything is freed. */
const stepOf = <P extends TwoTowerParams, S>(
  model: Clip<P>,
  gradients: typeof accumulated,
  optimizer: Optimizer<P, S>,
  treesOf: (state: S) => ReadonlyArray<P>
): void => {
  const batches = [batchOf(1), batchOf(2)]
  const params = model.init(keyOf(1))
  const state = optimizer.init(params)
  const before = engine().moves()
  const calls = engine().calls()
  const grads = gradients(model, params, batches)
  const next = applyUpdate(optimizer, grads, state, params, 1e-3, [0, 4.6052])
  next.logitScaleBeforeClamp.dispose()
  const called = [...engine().calls()].flatMap(([name, count]) => {
    const more = count - (calls.get(name) ?? 0)
    return more === 0 ? [] : [`${name} ${more}`]
  })
  const numMoves = engine().moves() - before
  const isFinite = leavesOf(next.params).every(({ value }) => value.tensor.dataSync().every(Number.isFinite))
  for (const tree of [next.params, ...treesOf(next.state)]) disposeParams(tree)
  tf.dispose(batches.map(({ images, tokens }) => [images, tokens]))
  const ours = new Set(registrations.map(({ kernelName }) => kernelName))
  const names = called.map((entry) => entry.split(" ")[0] ?? "")
  expect(names.filter((name) => !ours.has(name) || hostKernels.includes(name)), called.join(", ")).toEqual([])
  expect(numMoves, `results of loops in JavaScript; called: ${called.join(", ")}`).toBe(0)
  expect(isFinite).toBe(true)
}

const isTree = (state: unknown): state is { readonly mu: never; readonly nu: never } =>
  typeof state === "object" && state !== null && "mu" in state && "nu" in state

const both = <P extends TwoTowerParams>(model: Clip<P>): void => {
  const fused = adamW<P>()
  const parts = chain<P>(
    clipByGlobalNorm(1),
    scaleByAdam({ beta1: 0.9, beta2: 0.98, eps: 1e-8 }),
    decayWeights(0.5, isMatrix)
  )
  for (const gradients of [accumulated, cached]) {
    stepOf(model, gradients, fused, ({ mu, nu }) => [mu, nu])
    stepOf(model, gradients, parts, (state) => state.filter(isTree).flatMap(({ mu, nu }) => [mu, nu]))
  }
}

describe("a whole training step runs in kernels of the engine alone", () => {
  it("of CLIP", () => both(makeClip("tiny", sizes)))
  it("of DiffCLIP", () => both(makeDiffClip("tiny", sizes)))
  it("of DiffCLIP*", () => both(makeDiffClipStar("tiny", sizes)))
  it("of DiffCLIP with a differential image tower only", () => both(makeDiffClipVision("tiny", sizes)))

  it("whose names the list above would catch", () => {
    const before = engine().moves()
    const result = tf.tidy(() => tf.argMax(tf.ones([2, 3]), 1).dataSync())
    expect([...result]).toEqual([0, 0])
    expect(engine().moves()).toBe(before + 1)
    expect(engine().calls().get("ArgMax")).toBeGreaterThan(0)
    expect(hostKernels.filter((name) => !registrations.some(({ kernelName }) => kernelName === name))).toEqual([])
  })
})
