import * as tf from "@tensorflow/tfjs-core"
import { describe, expect, it } from "vitest"
import { raw } from "../../lib/ops/index.ts"
import { onEachEngine } from "../engines.ts"
import { noise, take, tensorOf } from "./against.ts"

const oneOf = (scalar: tf.Tensor): number => take(scalar).data[0] ?? NaN

describe("raw", () => {
  onEachEngine(() => {
    it("norm is the root of the sum of squares of all tensors, 0 of none, and NaN where one number is", () => {
      const arrays = [...Array(40).keys()].map((i) => noise(i, "x", [1 + (i * 37) % 101]))
      const tensors = arrays.map(tensorOf)
      const expected = Math.sqrt(arrays.flatMap(({ data }) => [...data]).reduce((sum, x) => sum + x * x, 0))
      expect(Math.abs(oneOf(raw.norm(tensors)) / expected - 1)).toBeLessThan(1e-6)
      expect(oneOf(raw.norm([]))).toBe(0)
      const spoilt = tf.tensor1d([1, NaN])
      expect(oneOf(raw.norm([...tensors, spoilt]))).toBeNaN()
      tf.dispose([...tensors, spoilt])
    })

    it("clamp keeps NaN and what lies between the bounds", () => {
      const x = tf.tensor1d([-1, 0, 2, 4.6052, 9, NaN, Infinity])
      const top = Math.fround(4.6052)
      expect([...take(raw.clamp(x, 0, 4.6052)).data]).toEqual([0, 0, 2, top, top, NaN, top])
      x.dispose()
    })

    it("accumulate consumes the sum, not what is added, and leaves alone a sum that somebody else reads", () => {
      const before = tf.memory().numTensors
      const [sum, x] = [tf.tensor1d([1, 2, 3]), tf.tensor1d([10, 20, 30])]
      const total = raw.accumulate(sum, x)
      expect([sum.isDisposed, x.isDisposed]).toEqual([true, false])
      const mine = tf.clone(total)
      const again = raw.accumulate(total, x)
      expect([...mine.dataSync()]).toEqual([11, 22, 33])
      expect([...again.dataSync()]).toEqual([21, 42, 63])
      tf.dispose([x, mine, again])
      expect(tf.memory().numTensors).toBe(before)
    })

    it("accumulate refuses another shape and keeps both", () => {
      const [sum, x] = [tf.ones([3]), tf.ones([2])]
      expect(() => raw.accumulate(sum, x)).toThrow("x of shape [3]")
      tf.dispose([sum, x])
    })

    it("clipFactor is 1 below the norm, and NaN for a NaN", () => {
      const factorOf = (norm: number): number => {
        const scalar = tf.scalar(norm)
        const factor = oneOf(raw.clipFactor(scalar, 1))
        scalar.dispose()
        return factor
      }
      expect(factorOf(0.5)).toBe(1)
      expect(factorOf(4)).toBeCloseTo(0.25, 6)
      expect(factorOf(NaN)).toBeNaN()
    })
  })
})
