import * as tf from "@tensorflow/tfjs-core"
import * as fc from "fast-check"
import { describe, it } from "vitest"
import { runs } from "../../../engines.ts"
import { useEngine } from "../engine.ts"
import { numbersOf, pairs, same, shapes, type Type } from "./compare.ts"

useEngine(2)

describe("functions of two tensors equal those of tfjs's cpu backend", () => {
  const arithmetic = { add: tf.add, sub: tf.sub, mul: tf.mul, div: tf.div, maximum: tf.maximum, minimum: tf.minimum }

  it.each(Object.entries(arithmetic))(
    "%s of float32 over every broadcast, empty and not finite numbers too",
    (_, op) => {
      fc.assert(
        fc.property(pairs, fc.boolean(), ([a, b], isWild) => {
          const inputs = { a: numbersOf("a", a, "float32", isWild), b: numbersOf("b", b, "float32", isWild) }
          same(inputs, (t) => op(t.a, t.b))
        }),
        runs(60)
      )
    }
  )

  it("arithmetic over rows, columns and scalars that threads share", () => {
    for (
      const [a, b] of [[[300, 240], [240]], [[300, 240], [300, 1]], [[240], [300, 240]], [[], [300, 240]]] as const
    ) {
      same({ a: numbersOf("a", a, "float32"), b: numbersOf("b", b, "float32") }, (t) => [
        tf.sub(t.a, t.b),
        tf.add(t.a, t.b)
      ])
    }
  })

  it("arithmetic of int32 stays int32", () => {
    fc.assert(
      fc.property(pairs, ([a, b]) => {
        const inputs = { a: numbersOf("a", a, "int32"), b: numbersOf("b", b, "int32") }
        same(inputs, (t) => [tf.add(t.a, t.b), tf.sub(t.a, t.b), tf.mul(t.a, t.b), tf.maximum(t.a, t.b)])
        same(inputs, (t) => [tf.minimum(t.a, t.b), tf.squaredDifference(t.a, t.b)])
      }),
      runs(30)
    )
  })

  it("comparisons of each type give booleans", () => {
    fc.assert(
      fc.property(pairs, fc.constantFrom<Type>("float32", "int32", "bool"), fc.boolean(), ([a, b], type, isWild) => {
        const inputs = { a: numbersOf("a", a, type, isWild), b: numbersOf("b", b, type, isWild) }
        same(inputs, (t) => [
          ...[tf.equal(t.a, t.b), tf.notEqual(t.a, t.b), tf.greater(t.a, t.b)],
          ...[tf.greaterEqual(t.a, t.b), tf.less(t.a, t.b), tf.lessEqual(t.a, t.b)]
        ])
      }),
      runs(40)
    )
  })

  it("logic of booleans", () => {
    fc.assert(
      fc.property(pairs, ([a, b]) => {
        const inputs = { a: numbersOf("a", a, "bool"), b: numbersOf("b", b, "bool") }
        same(inputs, (t) => [tf.logicalAnd(t.a, t.b), tf.logicalOr(t.a, t.b)])
      }),
      runs(20)
    )
  })

  it("floor division, remainders, powers and squared differences", () => {
    fc.assert(
      fc.property(pairs, ([a, b]) => {
        const inputs = { a: numbersOf("a", a, "float32"), b: numbersOf("b", b, "float32") }
        same(inputs, (t) => [tf.floorDiv(t.a, t.b), tf.mod(t.a, t.b), tf.squaredDifference(t.a, t.b)])
        same(inputs, (t) => [tf.pow(tf.abs(t.a), t.b), tf.pow(t.a, tf.round(t.b))], 2e-5)
      }),
      runs(30)
    )
  })

  it("where chooses by a condition of the same shape, of rows, and of a broadcast", () => {
    fc.assert(
      fc.property(shapes(3, 1), fc.constantFrom<Type>("float32", "int32", "bool"), (shape, type) => {
        const inputs = {
          is: numbersOf("is", shape, "bool"),
          row: numbersOf("row", shape.slice(-1), "bool"),
          a: numbersOf("a", shape, type),
          b: numbersOf("b", shape, type)
        }
        same(inputs, (t) => [tf.where(t.is, t.a, t.b), tf.where(t.row, t.a, t.b)])
      }),
      runs(20)
    )
  })
})
