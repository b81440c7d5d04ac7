import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { zeroShotChance, zeroShotCounter, zeroShotMetrics } from "../../lib/eval/index.ts"
import { integerBelow, permutation, ShapeError, uniformSequence } from "../../lib/tensor/index.ts"
import { matrix, randomMatrix, reorder, testKey } from "./fakes.ts"

describe("zero-shot metrics", () => {
  it("mean per class weighs classes alike and skips those without pictures", () => {
    const logits = matrix([[9, 0, 0], [9, 0, 0], [9, 0, 0], [9, 1, 0]])
    const { metrics, confusion } = zeroShotMetrics(logits, [0, 0, 0, 1])
    expect(metrics).toEqual({ top1: 0.75, meanPerClass: 0.5 })
    expect([...confusion]).toEqual([3, 0, 0, 1, 0, 0, 0, 0, 0])
  })
  it("top-5 is absent below five classes and 1 at five", () => {
    expect(zeroShotMetrics(matrix([[0, 0, 0, 1]]), [0]).metrics).not.toHaveProperty("top5")
    expect(zeroShotMetrics(matrix([[0, 0, 0, 1, 2]]), [0]).metrics.top5).toBe(1)
    expect(zeroShotChance(4)).toEqual({ top1: 0.25, meanPerClass: 0.25 })
    expect(zeroShotChance(10)).toEqual({ top1: 0.1, top5: 0.5, meanPerClass: 0.1 })
  })
  it("equal logits go to the first class and rank in the order of the classes", () => {
    const { predictions, metrics } = zeroShotMetrics(matrix([[0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]]), [4, 5])
    expect([...predictions]).toEqual([0, 0])
    expect(metrics.top5).toBe(0.5)
  })
  it("does not depend on the order of the pictures; top-5 is never below top-1", () => {
    fc.assert(fc.property(fc.nat(), fc.integer({ min: 5, max: 9 }), (seed, numClasses) => {
      const logits = randomMatrix(testKey("logits", seed), 12, numClasses)
      const next = uniformSequence(testKey("targets", seed))
      const targets = Array.from({ length: 12 }, () => integerBelow(next, numClasses))
      const order = permutation(testKey("order", seed), 12)
      const { metrics } = zeroShotMetrics(logits, targets)
      const moved = zeroShotMetrics(reorder(logits, order), Array.from(order, (row) => targets[row] ?? -1)).metrics
      expect(moved).toEqual(metrics)
      expect(metrics.top5).toBeGreaterThanOrEqual(metrics.top1)
    }))
  })
  it("counted batch by batch they are those of the whole", () => {
    fc.assert(fc.property(fc.nat(), fc.integer({ min: 1, max: 11 }), (seed, cut) => {
      const logits = randomMatrix(testKey("logits", seed), 12, 6)
      const targets = Array.from({ length: 12 }, (_, i) => (i * 5 + seed) % 6)
      const counter = zeroShotCounter(6)
      const predictions = [[0, cut], [cut, 12]].flatMap(([from = 0, to = 0]) => {
        const rows = { rows: to - from, columns: 6, data: logits.data.slice(from * 6, to * 6) }
        return [...counter.add(rows, targets.slice(from, to))]
      })
      const whole = zeroShotMetrics(logits, targets)
      expect({ ...counter.result(), predictions: Uint32Array.from(predictions) }).toEqual(whole)
      expect(counter.numPictures()).toBe(12)
    }))
    expect(() => zeroShotCounter(6).result()).toThrow("at least one picture")
  })
  it("random logits reach the chance level within four standard errors", () => {
    const numPictures = 20_000
    const logits = randomMatrix(testKey("chance"), numPictures, 8)
    const { metrics } = zeroShotMetrics(logits, Array.from({ length: numPictures }, (_, i) => i % 8))
    const chance = zeroShotChance(8)
    for (const name of ["top1", "top5", "meanPerClass"] as const) {
      const p = chance[name] ?? NaN
      expect(Math.abs((metrics[name] ?? NaN) - p)).toBeLessThan(4 * Math.sqrt(p * (1 - p) / numPictures))
    }
  })
  it("a NaN logit, a strange target and a missing one are refused", () => {
    expect(() => zeroShotMetrics(matrix([[NaN, 1]]), [1])).toThrow("logit [0, 0] is NaN")
    expect(() => zeroShotMetrics(matrix([[0, 1]]), [2])).toThrow("target 2 of row 0")
    expect(() => zeroShotMetrics(matrix([[0, 1]]), [])).toThrow(ShapeError)
  })
})
