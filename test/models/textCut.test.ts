import * as tf from "@tensorflow/tfjs-core"
import { expect, it } from "vitest"
import type { Clip, DiffClipParams, PlainClipParams } from "../../lib/models/index.ts"
import { contrastive } from "../../lib/losses/index.ts"
import { makeClip, makeDiffClip } from "../../lib/models/index.ts"
import { disposeParams, fold, keyOf, leavesOf, normal, uniform } from "../../lib/tensor/index.ts"
import { batchTensors, cutText, disposeBatch, type EncodedBatch } from "../../pipelines/encode.ts"
import { disposeStep, gradientsOf, type TwoTowerParams } from "../../pipelines/trainStep.ts"
import { onEachEngine } from "../engines.ts"

const LENGTH = 21
const EOT = 19
const sizes = {
  imageSize: 8,
  patchSize: 4,
  vision: { width: 8, layers: 1, numHeads: 2 },
  text: { width: 16, layers: 2, numHeads: 4 },
  contextLength: LENGTH,
  vocabSize: EOT + 1,
  embedDim: 6
} as const

/** Captions of so many tokens, the end of text included, and zeros behind. */
const batchOf = (lengths: ReadonlyArray<number>): EncodedBatch => {
  const size = lengths.length
  const ids = uniform(fold(keyOf(3), "ids"), size * LENGTH, 1, EOT)
  const tokens = Int32Array.from(ids, (id, i) => {
    const [row, column] = [Math.floor(i / LENGTH), i % LENGTH]
    const end = (lengths[row] ?? 0) - 1
    return column < end ? Math.floor(id) : column === end ? EOT : 0
  })
  return { size, images: Float32Array.from(normal(fold(keyOf(3), "images"), size * 3 * 64, 1)), tokens }
}

it.each([
  [[3, 5, 2], 8],
  [[8, 1], 8],
  [[9], 16],
  [[4, 17], LENGTH],
  [[4, LENGTH], LENGTH]
])("captions of %j tokens are cut to %i", (lengths, expected) => {
  const batch = batchOf(lengths)
  const { tokens } = cutText(batch)
  expect(tokens.length).toBe(lengths.length * expected)
  lengths.forEach((_, row) => {
    const cut = tokens.slice(row * expected, (row + 1) * expected)
    expect(cut).toEqual(batch.tokens.slice(row * LENGTH, row * LENGTH + expected))
  })
})

it("a caption without an end of text is pooled at its first largest id, and cut behind that", () => {
  const tokens = new Int32Array(2 * LENGTH).fill(4)
  tokens[2] = 7
  tokens[9] = 7
  expect(cutText({ size: 2, images: new Float32Array(), tokens }).tokens.length).toBe(2 * 8)
})

onEachEngine(() => {
  const agrees = <P extends TwoTowerParams>(model: Clip<P>): void => {
    const params = model.init(keyOf(1))
    const whole = batchOf([3, 11, 2, 7])
    const passes = [whole, cutText(whole)].map((encoded) => {
      const batch = batchTensors(model.transform, encoded)
      const pass = gradientsOf(model, contrastive.exact, params, batch, 1)
      disposeBatch(batch)
      const grads = leavesOf(pass.grads).map(({ path, value }) => ({ path, data: [...value.tensor.dataSync()] }))
      const result = { grads, loss: pass.loss.dataSync()[0] ?? NaN, length: batch.tokens.shape[1] }
      disposeStep({ grads: pass.grads, loss: [pass.loss], correct: [pass.correct] })
      return result
    })
    disposeParams(params)
    const [uncut, cut] = passes
    if (uncut === undefined || cut === undefined) throw new Error("no pass")
    expect([uncut.length, cut.length]).toEqual([LENGTH, 16])
    expect(Math.abs(uncut.loss - cut.loss)).toBeLessThan(1e-6)
    expect(cut.grads.map(({ path }) => path)).toEqual(uncut.grads.map(({ path }) => path))
    uncut.grads.forEach(({ path, data }, i) => {
      const found = cut.grads[i]?.data ?? []
      expect(found.length, path).toBe(data.length)
      const scale = Math.max(1, ...data.map(Math.abs))
      expect(Math.max(...data.map((x, j) => Math.abs(x - (found[j] ?? NaN)))) / scale, path).toBeLessThan(1e-6)
      // Positions behind the cut have no gradient, in both.
      if (path === "text.posEmbed") expect(found.slice(16 * 16).every((x) => x === 0)).toBe(true)
    })
  }

  it("cut captions have the loss and gradients of whole ones, with differential attention", () => {
    agrees<DiffClipParams>(makeDiffClip("tiny", { ...sizes, vision: { ...sizes.vision, numHeads: 2 } }))
  })

  it("cut captions have the loss and gradients of whole ones, with plain attention", () => {
    agrees<PlainClipParams>(makeClip("tiny", sizes))
  })

  it("the text tower takes any length up to the context length, and no more", () => {
    const model = makeClip("tiny", sizes)
    const params = model.init(keyOf(1))
    tf.tidy(() => {
      expect(model.encodeText(params, tf.ones([2, 1], "int32")).tensor.shape).toEqual([2, 6])
      expect(() => model.encodeText(params, tf.ones([2, LENGTH + 1], "int32"))).toThrow(/1 to 21.*\[2, 22\]/s)
      expect(() => model.encodeText(params, tf.ones([2, 0], "int32"))).toThrow(/1 to 21/)
    })
    disposeParams(params)
  })
})
