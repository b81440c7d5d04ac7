import * as tf from "@tensorflow/tfjs-core"
import { expect, it } from "vitest"
import { lambdaInitOf, makeDiffClip } from "../../lib/models/index.ts"
import { disposeParams, fold, keyOf, normal } from "../../lib/tensor/index.ts"
import { Effect } from "effect"
import { meanOverHeads, readMaps } from "../../pipelines/attentionMaps.ts"
import { perform } from "../../pipelines/reading.ts"
import { engineInUse, onEachEngine } from "../engines.ts"

const model = makeDiffClip("looking", {
  imageSize: 12,
  patchSize: 4,
  vision: { width: 16, layers: 2, numHeads: 4 },
  text: { width: 16, layers: 1, numHeads: 2 },
  contextLength: 4,
  vocabSize: 8,
  embedDim: 8
})

onEachEngine(() => {
  it("each layer has the class token's two maps over the patches, and first - lambda second", async () => {
    const params = model.init(keyOf(3))
    const images = tf.tensor4d(normal(fold(keyOf(3), "images"), 2 * 3 * 144, 1), [2, 3, 12, 12])
    const layers = await Effect.runPromise(perform(engineInUse, () => readMaps(model, params, images)))
    images.dispose()
    disposeParams(params)
    expect(layers.map(({ numPairs, numPatches }) => [numPairs, numPatches])).toEqual([[2, 9], [2, 9]])
    for (const { first, second, difference, lambda } of layers) {
      expect(lambda).toBeGreaterThan(lambdaInitOf(0.8, 0) - 0.5)
      expect([first.length, second.length, difference.length]).toEqual([36, 36, 36])
      for (const map of [first, second]) {
        for (let head = 0; head < 4; head++) {
          const sum = map.subarray(head * 9, head * 9 + 9).reduce((total, weight) => total + weight, 0)
          expect(sum).toBeGreaterThan(0)
          expect(sum).toBeLessThan(1) // the rest is the class token's look at itself
        }
      }
      const expected = Array.from(first, (weight, i) => weight - lambda * (second[i] ?? Number.NaN))
      expect(Math.max(...expected.map((weight, i) => Math.abs(weight - (difference[i] ?? Number.NaN))))).toBeLessThan(
        1e-6
      )
    }
  })

  it("looking does not change what the model says of a picture", async () => {
    const params = model.init(keyOf(4))
    const images = tf.tensor4d(normal(fold(keyOf(4), "images"), 3 * 144, 1), [1, 3, 12, 12])
    const embed = () => tf.tidy(() => Array.from(model.encodeImage(params, images).tensor.dataSync()))
    const before = embed()
    await Effect.runPromise(perform(engineInUse, () => readMaps(model, params, images)))
    expect(embed()).toEqual(before)
    images.dispose()
    disposeParams(params)
  })
})

it("the mean over head pairs is of one picture", () => {
  const map = Float32Array.of(1, 2, 3, 4, 10, 20, 30, 40) // [B 2, He 2, P 2]
  expect([...meanOverHeads(map, { numPairs: 2, numPatches: 2 }, 0)]).toEqual([2, 3])
  expect([...meanOverHeads(map, { numPairs: 2, numPatches: 2 }, 1)]).toEqual([20, 30])
})
