import { it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { describe, expect } from "vitest"
import type { ImageLabel, LabelledDataset } from "../../lib/api/index.ts"
import { EvaluationError, makeZeroShot, zeroShot } from "../../lib/eval/index.ts"
import { matrix, pixel, tableEncoders } from "./fakes.ts"

const axes = matrix(Array.from({ length: 6 }, (_, i) => Array.from({ length: 6 }, (_, j) => i === j ? 3 : 0)))
const sample = (image: number, label: number): ImageLabel => ({ key: `p${image}-${label}`, image: pixel(image), label })
const labelled = (
  windows: ReadonlyArray<ReadonlyArray<ImageLabel>>,
  numClasses = 6
): LabelledDataset<ImageLabel> => ({
  name: "axes",
  windows: () => Stream.fromIterable(windows),
  classNames: Array.from({ length: numClasses }, (_, i) => `class ${i}`),
  templates: ["a {}", "the {}"]
})

describe("zeroShot", () => {
  it.effect("a model that knows every class is always right, one call of the encoder a window", () =>
    Effect.gen(function* () {
      const { encoders, asked } = tableEncoders(axes, axes)
      const data = labelled([[sample(0, 0), sample(1, 1)], [sample(2, 2)], [sample(5, 5)]])
      const result = yield* makeZeroShot({ batchSize: 2 }).run(encoders, data)
      expect(result).toMatchObject({
        protocol: "zero-shot",
        dataset: "axes",
        n: 4,
        metrics: { top1: 1, top5: 1, meanPerClass: 1 },
        chance: { top1: 1 / 6, top5: 5 / 6, meanPerClass: 1 / 6 },
        templates: ["a {}", "the {}"],
        numLeftOut: 0
      })
      expect(asked.images).toEqual([2, 1, 1])
      expect(asked.texts.every((texts) => texts.length <= 2)).toBe(true)
      expect(asked.texts.flat()).toContain("the class 3")
    }))
  it.effect("restricted classes are renumbered in their order and other pictures left out", () =>
    Effect.gen(function* () {
      const { encoders } = tableEncoders(axes, axes)
      const data = labelled([[sample(4, 4), sample(0, 2), sample(3, 3), sample(2, 2)]])
      const result = yield* makeZeroShot({ restrictTo: [4, 2] }).run(encoders, data)
      expect(result.classNames).toEqual(["class 4", "class 2"])
      expect([...result.confusion]).toEqual([1, 0, 1, 1])
      expect(result).toMatchObject({ n: 3, numLeftOut: 1, metrics: { top1: 2 / 3, meanPerClass: 0.75 } })
      expect(result.chance).toEqual({ top1: 0.5, meanPerClass: 0.5 })
    }))
  it.effect("synonyms are averaged into their class", () =>
    Effect.gen(function* () {
      const { encoders, asked } = tableEncoders(axes, axes)
      const evaluator = makeZeroShot({ templates: ["{}."], names: [["0", "1"], ["2"]] })
      const { metrics } = yield* evaluator.run(encoders, labelled([[sample(0, 0), sample(1, 0), sample(2, 1)]], 2))
      expect(asked.texts.flat()).toEqual(["0.", "1.", "2."])
      expect(metrics).toEqual({ top1: 1, meanPerClass: 1 })
    }))

  const { encoders } = tableEncoders(axes, axes)
  const one = labelled([[sample(0, 0)]])
  const refusals = [
    ["no samples", zeroShot, labelled([[]]), "noSamples", "got none"],
    ["only pictures of other classes", makeZeroShot({ restrictTo: [1] }), one, "noSamples", "outside restrictTo"],
    ["a label that is no class", zeroShot, labelled([[sample(0, 6)]]), "label", 'got 6 for "p0-6"'],
    ["a template without {}", makeZeroShot({ templates: ["a photo"] }), one, "templates", '"a photo"'],
    ["no templates", zeroShot, { ...one, templates: [] }, "templates", "pass `templates`"],
    ["a class twice", makeZeroShot({ restrictTo: [1, 1] }), one, "classes", "got 1"],
    ["a class that does not exist", makeZeroShot({ restrictTo: [9] }), one, "classes", "0..5"],
    ["names for too few classes", makeZeroShot({ names: [["0"]] }), one, "classes", "6 classes, got 1"]
  ] as const
  it.effect.each(refusals)("%s is a typed error", ([, evaluator, data, reason, words]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(evaluator.run(encoders, data))
      expect(error).toBeInstanceOf(EvaluationError)
      expect(error.reason).toBe(reason)
      expect(error.message).toContain(words)
    }))
  it.effect("a model with NaN weights is a typed error that names the picture", () =>
    Effect.gen(function* () {
      const broken = tableEncoders(matrix([[NaN, 0]]), matrix([[1, 0], [0, 1]]))
      const error = yield* Effect.flip(zeroShot.run(broken.encoders, labelled([[sample(0, 1)]], 2)))
      expect(error).toMatchObject({ reason: "notFinite", key: "p0-1" })
    }))
})
