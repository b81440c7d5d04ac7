import * as tf from "@tensorflow/tfjs-core"
import * as fc from "fast-check"
import { describe, it } from "vitest"
import { runs } from "../../../engines.ts"
import { useEngine } from "../engine.ts"
import { numbersOf, same, shapes } from "./compare.ts"

useEngine(2)

const real = {
  ...{ exp: tf.exp, sqrt: tf.sqrt, rsqrt: tf.rsqrt, sigmoid: tf.sigmoid, reciprocal: tf.reciprocal },
  ...{ log: tf.log, erf: tf.erf, tanh: tf.tanh }
}
const whole = { neg: tf.neg, abs: tf.abs, square: tf.square, sign: tf.sign, relu: tf.relu }

describe("functions of one tensor equal those of tfjs's cpu backend", () => {
  it.each(Object.entries({ ...real, ...whole, floor: tf.floor, ceil: tf.ceil, round: tf.round }))(
    "%s of float32 of any shape, empty and not finite numbers too",
    (_, op) => {
      fc.assert(
        fc.property(shapes(4), fc.boolean(), (shape, isWild) => {
          same({ x: numbersOf("x", shape, "float32", isWild) }, (t) => op(t.x))
        }),
        runs(25)
      )
      same({ x: numbersOf("x", [50_003], "float32") }, (t) => op(t.x))
    }
  )

  it.each(Object.entries(whole))("%s of int32 stays int32", (_, op) => {
    fc.assert(fc.property(shapes(3), (shape) => same({ x: numbersOf("x", shape, "int32") }, (t) => op(t.x))), runs(10))
  })

  it("exp of int32 is float32", () => {
    same({ x: numbersOf("x", [3, 4], "int32") }, (t) => tf.exp(t.x))
  })

  it("clipByValue of float32 and int32; a NaN stays a NaN", () => {
    fc.assert(
      fc.property(shapes(3), fc.boolean(), (shape, isWild) => {
        const inputs = { x: numbersOf("x", shape, "float32", isWild), n: numbersOf("n", shape, "int32") }
        same(inputs, (t) => [tf.clipByValue(t.x, -1.5, 2), tf.clipByValue(t.n, -1, 2)])
      }),
      runs(20)
    )
  })

  it("what is NaN, infinite, finite or false", () => {
    same(
      { x: numbersOf("x", [4, 7], "float32", true), flag: numbersOf("f", [9], "bool") },
      (t) => [tf.isNaN(t.x), tf.isInf(t.x), tf.isFinite(t.x), tf.logicalNot(t.flag)]
    )
  })
})
