import { it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { describe, expect } from "vitest"
import type { ImageText } from "../../lib/api/index.ts"
import { makeRetrieval, retrieval } from "../../lib/eval/index.ts"
import { datasetOf, matrix, pixel, tableEncoders } from "./fakes.ts"

const images = matrix([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
const texts = matrix([[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 2]])
const sample = (image: number, captions: ReadonlyArray<string>): ImageText => ({
  key: `picture ${image}`,
  image: pixel(image),
  captions
})
const windows = [[sample(0, ["text 0", "text 1"]), sample(1, ["text 2"])], [sample(2, ["text 3"])]]

describe("retrieval", () => {
  it.effect("counts every caption as a query for pictures and any caption as a find for texts", () =>
    Effect.gen(function* () {
      const { encoders } = tableEncoders(images, texts)
      const result = yield* makeRetrieval({ ks: [1, 2], batchSize: 2 }).run(encoders, datasetOf(windows))
      expect(result).toMatchObject({ protocol: "retrieval", dataset: "literal", n: 4, numImages: 3, numTexts: 4 })
      // Text 1 shows picture 1; it is also level with text 2 there and comes first.
      expect(result.metrics).toEqual({
        "imageRetrievalRecall@1": 3 / 4,
        "imageRetrievalRecall@2": 1,
        "textRetrievalRecall@1": 2 / 3,
        "textRetrievalRecall@2": 1
      })
      expect(result.chance["imageRetrievalRecall@2"]).toBeCloseTo(2 / 3, 12)
      expect(result.chance["textRetrievalRecall@1"]).toBeCloseTo(1 / 3, 12)
    }))
  it.effect("takes the first caption alone where asked", () =>
    Effect.gen(function* () {
      const { encoders, asked } = tableEncoders(images, texts)
      const { metrics, n } = yield* makeRetrieval({ captions: "first" }).run(encoders, datasetOf(windows))
      expect([n, metrics["imageRetrievalRecall@1"], metrics["textRetrievalRecall@1"]]).toEqual([3, 1, 1])
      expect(asked.texts.flat()).toEqual(["text 0", "text 2", "text 3"])
    }))
  it.effect("no samples, a picture without captions and a NaN are typed errors", () =>
    Effect.gen(function* () {
      const { encoders } = tableEncoders(images, texts)
      expect(yield* Effect.flip(retrieval.run(encoders, datasetOf<ImageText>([])))).toMatchObject({
        _tag: "EvaluationError",
        reason: "noSamples"
      })
      expect(yield* Effect.flip(retrieval.run(encoders, datasetOf([[sample(1, [])]])))).toMatchObject({
        reason: "captions",
        key: "picture 1"
      })
      const broken = tableEncoders(images, matrix([[0, Infinity, 0]]))
      const error = yield* Effect.flip(retrieval.run(broken.encoders, datasetOf([[sample(1, ["text 0"])]])))
      expect(error).toMatchObject({ reason: "notFinite", key: "text 0" })
    }))
  it.effect("an encoder that returns too few rows is a defect", () =>
    Effect.gen(function* () {
      const { encoders } = tableEncoders(images, texts)
      const short = { ...encoders, encodeImages: () => Effect.succeed(images) }
      const exit = yield* Effect.exit(retrieval.run(short, datasetOf(windows)))
      expect(Exit.isFailure(exit) && String(exit.cause)).toContain("ShapeError")
    }))
})
