import * as tf from "@tensorflow/tfjs-core"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { runs } from "../../../engines.ts"
import { type Numbers, useEngine } from "../engine.ts"
import { numbersOf, same, shapes, type Type } from "./compare.ts"

useEngine(2)

const indicesBelow = (limit: number, shape: ReadonlyArray<number>): Numbers => ({
  shape,
  values: Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => (i * 7 + 3) % limit),
  dtype: "int32"
})

describe("kernels with indices equal those of tfjs's cpu backend", () => {
  it("gather along any axis, of each type", () => {
    fc.assert(
      fc.property(
        shapes(4, 1),
        shapes(2),
        fc.constantFrom<Type>("float32", "int32", "bool"),
        fc.nat(50),
        (shape, at, type, seed) => {
          if (shape.length === 0) return
          const axis = seed % shape.length
          const inputs = { x: numbersOf("x", shape, type), at: indicesBelow(shape[axis] ?? 1, at) }
          same(inputs, (t) => tf.gather(t.x, t.at, axis))
        }
      ),
      runs(40)
    )
  })

  it("gather with batch axes", () => {
    const inputs = { x: numbersOf("x", [3, 4, 5], "float32"), at: indicesBelow(4, [3, 2]) }
    same(inputs, (t) => tf.gather(t.x, t.at, 1, 1))
    same({ ...inputs, at: indicesBelow(5, [3, 2]) }, (t) => tf.gather(t.x, t.at, 2, 1))
  })

  it("an index that names no row is refused", () => {
    expect(() => tf.tidy(() => tf.gather(tf.ones([3, 2]), tf.tensor1d([0, 3], "int32")))).toThrow(
      /index 3 at position 1/
    )
  })

  it("sums of segments, of which some are empty", () => {
    for (const shape of [[9], [9, 4], [9, 2, 3], [0, 3]]) {
      const inputs = { x: numbersOf("x", shape, "float32"), ids: indicesBelow(5, shape.slice(0, 1)) }
      same(inputs, (t) => tf.unsortedSegmentSum(t.x, tf.reshape<tf.Rank.R1>(t.ids, [-1]), 7))
    }
  })

  it("ranges up and down, of float32 and int32", () => {
    const given = [[0, 5, 1], [5, 0, 1], [5, 0, -2], [0, 5, -1], [3, 3, 1], [0, 1, 0.25], [2, 11, 3]] as const
    for (const [start, stop, step] of given) same({}, () => tf.range(start, stop, step))
    same({}, () => tf.range(0, 12, 4, "int32"))
  })

  it("one-hot rows, of each type; an index outside gives none", () => {
    for (const type of ["float32", "int32", "bool"] as const) {
      const at: Numbers = { shape: [2, 3], values: [0, 3, 1, -1, 2, 9], dtype: "int32" }
      same({ at }, (t) => tf.oneHot(t.at, 4, 1, 0, type))
    }
  })

  it("the unit matrix", () => same({}, () => tf.eye(5)))
})
