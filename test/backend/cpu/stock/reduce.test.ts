import * as tf from "@tensorflow/tfjs-core"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { runs } from "../../../engines.ts"
import { useEngine } from "../engine.ts"
import { numbersOf, same } from "./compare.ts"

useEngine(2)

const reductions = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 6 }), fc.boolean()), { maxLength: 5 })
  .map((axes) => ({
    shape: axes.map(([dim]) => dim),
    axis: axes.flatMap(([, isGone], i) => isGone ? [i] : [])
  }))

describe("reductions equal those of tfjs's cpu backend", () => {
  it("sum, mean, max and min of float32 over any axes, NaN and infinities too", () => {
    fc.assert(
      fc.property(reductions, fc.boolean(), fc.boolean(), ({ shape, axis }, keep, isWild) => {
        // tfjs's cpu backend loses a NaN in a maximum, so its largest numbers are compared without.
        same(
          { x: numbersOf("x", shape, "float32", isWild) },
          (t) => [tf.sum(t.x, axis, keep), tf.mean(t.x, axis, keep)]
        )
        same({ x: numbersOf("x", shape, "float32") }, (t) => [tf.max(t.x, axis, keep), tf.min(t.x, axis, keep)])
      }),
      runs(80)
    )
  })

  it("all axes at once, negative ones, and sizes that threads share", () => {
    const x = numbersOf("x", [6, 5, 7], "float32")
    same({ x }, (t) => [tf.sum(t.x), tf.mean(t.x), tf.max(t.x), tf.min(t.x), tf.sum(t.x, -1), tf.max(t.x, [-3, -1])])
    same({ x: numbersOf("x", [400, 200], "float32") }, (t) => [tf.sum(t.x, 0), tf.sum(t.x, 1), tf.min(t.x, 1)])
    same({ x: numbersOf("x", [20, 60, 90], "float32") }, (t) => [tf.sum(t.x, 1), tf.max(t.x, 0), tf.mean(t.x, [0, 2])])
  })

  it("sums over no numbers are 0", () => {
    for (const axis of [0, 1, 2, [0, 1], [1, 2]]) {
      same({ x: numbersOf("x", [3, 0, 2], "float32") }, (t) => tf.sum(t.x, axis))
    }
  })

  it("the mean of no numbers is NaN, where tfjs's cpu backend has 0", () => {
    expect([...tf.tidy(() => tf.mean(tf.zeros([2, 0]), 1).dataSync())]).toEqual([NaN, NaN])
  })

  it("whole numbers and booleans are summed, multiplied and compared as whole numbers", () => {
    fc.assert(
      fc.property(reductions, fc.boolean(), ({ shape, axis }, keep) => {
        same({ x: numbersOf("x", shape, "int32") }, (t) => [
          ...[tf.sum(t.x, axis, keep), tf.mean(t.x, axis, keep), tf.prod(t.x, axis, keep)],
          ...[tf.max(t.x, axis, keep), tf.min(t.x, axis, keep)]
        ])
        same({ x: numbersOf("x", shape, "bool") }, (t) => [
          ...[tf.sum(t.x, axis, keep), tf.all(t.x, axis, keep), tf.any(t.x, axis, keep)]
        ])
      }),
      runs(30)
    )
  })

  it("products of float32", () => {
    fc.assert(
      fc.property(reductions, ({ shape, axis }) => {
        same({ x: numbersOf("x", shape, "float32") }, (t) => tf.prod(t.x, axis))
      }),
      runs(15)
    )
  })

  it("the first largest and smallest along each axis, of float32 and int32", () => {
    for (const axis of [0, 1, 2, -1]) {
      for (const type of ["float32", "int32"] as const) {
        same({ x: numbersOf("x", [4, 9, 5], type) }, (t) => [tf.argMax(t.x, axis), tf.argMin(t.x, axis)])
      }
    }
  })

  it("softmax and its logarithm, with large numbers, infinities and NaN", () => {
    for (const cols of [1, 3, 4, 9]) {
      same({ x: numbersOf("x", [3, 2, cols], "float32") }, (t) => {
        const large = tf.mul(t.x, 30)
        return [tf.softmax(large), tf.logSoftmax(large)]
      })
    }
    const rows = [[1, -Infinity, 2, 3], [4, NaN, 1, 2], [4, Infinity, 1, 1], [
      -Infinity,
      -Infinity,
      -Infinity,
      -Infinity
    ]]
    same({ x: { shape: [4, 4], values: rows.flat() } }, (t) => tf.softmax(t.x))
    same({ x: numbersOf("x", [0, 4], "float32") }, (t) => tf.softmax(t.x))
  })
})
