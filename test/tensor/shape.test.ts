import * as tf from "@tensorflow/tfjs-core"
import "@tensorflow/tfjs-backend-cpu"
import { describe, expect, it } from "vitest"
import {
  axisOf,
  checkShape,
  dimOf,
  dims2,
  dims3,
  headDimOf,
  sameShape,
  ShapeError,
  showShape,
  sizeOf
} from "../../lib/tensor/index.ts"

const x = tf.zeros([2, 3])

describe("shapes", () => {
  it("sizes, equality and printing", () => {
    expect([sizeOf([]), sizeOf([2, 3]), sizeOf([2, 0])]).toEqual([1, 6, 0])
    expect([sameShape([2, 3], [2, 3]), sameShape([2, 3], [3, 2]), sameShape([2], [2, 1])]).toEqual([true, false, false])
    expect(showShape([2, 3])).toBe("[2, 3]")
  })

  it("axes count from the end when negative; one that is not there is a ShapeError", () => {
    expect([dimOf("f", [2, 3], -1), axisOf("f", [2, 3], -1), axisOf("f", [2, 3], 0)]).toEqual([3, 1, 0])
    for (const axis of [2, -3]) {
      expect(() => axisOf("f", [2, 3], axis)).toThrow(`f: expected a tensor with an axis ${axis}, found [2, 3]`)
    }
  })

  it("checkShape says what was expected and what came; undefined allows any size", () => {
    checkShape("f", "x", x, [undefined, 3])
    expect(() => checkShape("f", "x", x, [undefined, 4])).toThrow("f: expected x of shape [any, 4], found [2, 3]")
    expect(() => checkShape("f", "x", x, [2, 3, 1])).toThrow(ShapeError)
  })

  it("dims2 and dims3 read a matrix and a rank-3 tensor, and refuse other ranks", () => {
    expect(dims2("f", "x", x)).toEqual([2, 3])
    expect(() => dims3("f", "x", x)).toThrow("f: expected x of rank 3, found [2, 3]")
    expect(() => dims2("f", "x", tf.zeros([1, 2, 3]))).toThrow("f: expected x of rank 2, found [1, 2, 3]")
  })

  it("heads divide the width, and pair up for differential attention", () => {
    expect([headDimOf("f", 12, 4, true), headDimOf("f", 12, 3, false)]).toEqual([3, 4])
    expect(() => headDimOf("f", 12, 3, true)).toThrow("an even numHeads")
    for (const bad of [5, 0, -2, 1.5]) {
      expect(() => headDimOf("f", 12, bad, false)).toThrow(`divides the width 12, found numHeads ${bad}`)
    }
  })
})
