import "@tensorflow/tfjs-backend-cpu"
import * as tf from "@tensorflow/tfjs-core"
import { expect, it } from "vitest"
import type { ImageTextBatch, Optimizer } from "../../lib/api/index.ts"
import { contrastive } from "../../lib/losses/index.ts"
import { makeClip } from "../../lib/models/index.ts"
import { adamW } from "../../lib/optim/index.ts"
import { disposeParams, fold, keyOf, leavesOf, mapParams, normal, value } from "../../lib/tensor/index.ts"
import type { StepGradients } from "../../pipelines/trainStep.ts"
import { accumulate, applyUpdate, disposeFigures, disposeStep, gradientsOf } from "../../pipelines/trainStep.ts"
import { onEachEngine } from "../engines.ts"

const model = makeClip("tiny", {
  imageSize: 8,
  patchSize: 4,
  vision: { width: 8, layers: 1, numHeads: 2 },
  text: { width: 8, layers: 1, numHeads: 2 },
  contextLength: 5,
  vocabSize: 20,
  embedDim: 6
})
type Params = ReturnType<typeof model.init>

const batchOf = (seed: number): ImageTextBatch => ({
  images: tf.tensor(normal(keyOf(seed), 4 * 3 * 64, 1), [4, 3, 8, 8]),
  tokens: tf.tensor(Array.from({ length: 20 }, (_, i) => i % 5 === 4 ? 19 : (i * 7 + seed) % 18), [4, 5], "int32")
})
const disposeBatch = ({ images, tokens }: ImageTextBatch): void => tf.dispose([images, tokens])

const stepOf = (params: Params, batches: ReadonlyArray<ImageTextBatch>): StepGradients<Params> => {
  let sum: StepGradients<Params> | undefined
  for (const batch of batches) {
    sum = accumulate(sum, gradientsOf(model, contrastive.exact, params, batch, batches.length))
  }
  if (sum === undefined) throw new RangeError("a step needs a micro-batch")
  return sum
}

const numberOf = (scalar: tf.Tensor): number => scalar.dataSync()[0] ?? Number.NaN
const numbersOf = (tree: Params): ReadonlyArray<number> =>
  leavesOf(tree).flatMap(({ value }) => [...value.tensor.dataSync()])

/** An optimizer that sets the logarithm of the scale to `to` and leaves the rest as it is. */
const setScale = (to: number): Optimizer<Params, null> => ({
  init: () => null,
  update: (grads, _, params) => {
    disposeParams(grads)
    const next = mapParams(params, (parameter, path) => path === "logitScale" ? value(tf.scalar(to)) : parameter)
    params.logitScale.tensor.dispose()
    return [next, null]
  }
})

onEachEngine(() => {
  it("the gradient of a step is the mean of its micro-batches' gradients, their losses are not divided", () => {
    const params = model.init(keyOf(1))
    const batches = [batchOf(1), batchOf(2), batchOf(3)]
    const step = stepOf(params, batches)
    const passes = batches.map((batch) => gradientsOf(model, contrastive.exact, params, batch, 1))
    expect(step.loss.map(numberOf)).toEqual(passes.map(({ loss }) => numberOf(loss)))
    expect(step.correct.map(numberOf)).toEqual(passes.map(({ correct }) => numberOf(correct)))
    const found = numbersOf(step.grads)
    const parts = passes.map(({ grads }) => numbersOf(grads))
    const distance = found.map((g, i) => Math.abs(g - parts.reduce((sum, part) => sum + (part[i] ?? NaN) / 3, 0)))
    const largest = Math.max(...found.map(Math.abs))
    // The class token starts near zero, where layer norm magnifies: gradients of some 200, hence relative.
    expect(largest).toBeGreaterThan(0.01)
    expect(Math.max(...distance) / Math.max(1, largest)).toBeLessThan(1e-6)
    disposeParams(params)
    for (const { grads, loss, correct } of passes) disposeStep({ grads, loss: [loss], correct: [correct] })
    disposeStep(step)
    batches.forEach(disposeBatch)
  })

  it("an update frees what it replaces: parameters, state and gradients of ten steps take no more than those of one", () => {
    const optimizer = adamW<Params>()
    const batch = batchOf(5)
    let params = model.init(fold(keyOf(1), "other"))
    let state = optimizer.init(params)
    const before = tf.memory().numTensors
    for (let step = 0; step < 10; step++) {
      const held = stepOf(params, [batch, batch])
      const updated = applyUpdate(optimizer, held.grads, state, params, 1e-3, [0, 4.6052])
      params = updated.params
      state = updated.state
      disposeFigures(held)
      updated.logitScaleBeforeClamp.dispose()
      expect(tf.memory().numTensors).toBe(before)
    }
    for (const tree of [params, state.mu, state.nu]) disposeParams(tree)
    disposeBatch(batch)
  })

  it.each([
    [5, Math.fround(4.6052)],
    [4.6052, Math.fround(4.6052)],
    [-0.5, 0],
    [2, 2],
    [Number.NaN, Number.NaN]
  ])("the logarithm %d of the scale becomes %d, as a float32 number", (before, after) => {
    const params = model.init(keyOf(1))
    const grads = mapParams(params, ({ tensor }) => value(tf.zerosLike(tensor)))
    const updated = applyUpdate(setScale(before), grads, null, params, 1, [0, 4.6052])
    expect(numberOf(updated.logitScaleBeforeClamp)).toBe(Math.fround(before))
    expect(numberOf(updated.params.logitScale.tensor)).toBe(after)
    updated.logitScaleBeforeClamp.dispose()
    expect(updated.params.logitScale.tensor.shape).toEqual([])
    expect(Object.keys(updated.params)).toEqual(Object.keys(model.specs))
    disposeParams(updated.params)
  })

  it("a micro-batch that does not fit leaves no tensor behind, and gradients that do not fit are consumed", () => {
    const params = model.init(keyOf(1))
    const batch = batchOf(7)
    const wrong = { ...batch, tokens: tf.zeros([4, 6], "int32") }
    expect(() => gradientsOf(model, contrastive.exact, params, wrong, 1)).toThrow("encodeText")
    const pass = gradientsOf(model, contrastive.exact, params, batch, 1)
    const misfit = { ...pass, grads: mapParams(pass.grads, () => value(tf.zeros([3, 5, 7]))) }
    const zero = (): tf.Tensor => tf.scalar(0)
    expect(() => accumulate({ grads: pass.grads, loss: [zero()], correct: [zero()] }, misfit)).toThrow()
    wrong.tokens.dispose()
    disposeParams(params)
    disposeBatch(batch)
  })
})
