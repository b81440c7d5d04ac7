import * as tf from "@tensorflow/tfjs-core"
import { describe, it } from "vitest"
import { noise, useEngine } from "../engine.ts"
import { same } from "./compare.ts"

useEngine(2)

describe("matrix products equal those of tfjs's cpu backend", () => {
  it("in every transposition, batched, with one side shared by the batch", () => {
    for (const [ta, tb] of [[false, false], [true, false], [false, true], [true, true]] as const) {
      const a = noise("a", ta ? [3, 7, 5] : [3, 5, 7]), b = noise("b", tb ? [3, 9, 7] : [3, 7, 9])
      same({ a, b }, (t) => tf.matMul(t.a, t.b, ta, tb))
      const single = noise("b", tb ? [9, 7] : [7, 9])
      same({ a, single }, (t) => [tf.matMul(t.a, t.single, ta, tb), tf.matMul(t.single, t.a, !tb, !ta)])
    }
    same({ a: noise("a", [150, 140]), b: noise("b", [140, 130]) }, (t) => tf.matMul(t.a, t.b))
  })

  it("over every broadcast of the batch", () => {
    const batches = [[[2, 1], [2, 3]], [[2, 1], [1, 3]], [[3], [2, 3]], [[2, 3], []], [[1, 1], [2, 3]], [[2, 3], [
      2,
      1
    ]]]
    for (const [left = [], right = []] of batches) {
      const inputs = { a: noise("a", [...left, 4, 5]), b: noise("b", [...right, 5, 6]) }
      // tfjs's cpu backend takes the wrong matrices where both batches repeat: it gets them repeated already.
      const lead = tf.backend_util.assertAndGetBroadcastShape([...left], [...right])
      const whole = (x: tf.Tensor): tf.Tensor =>
        tf.getBackend() === "cpu" ? tf.broadcastTo(x, [...lead, ...x.shape.slice(-2)]) : x
      same(inputs, (t) => {
        const [a, b] = [whole(t.a), whole(t.b)]
        return [tf.matMul(a, b), tf.matMul(b, a, true, true)]
      })
    }
  })

  it("of empty matrices, and over no inner dimension", () => {
    for (const [a, b] of [[[0, 3], [3, 2]], [[2, 3], [3, 0]], [[2, 0], [0, 3]], [[0, 2, 3], [0, 3, 2]]] as const) {
      same({ a: noise("a", a), b: noise("b", b) }, (t) => tf.matMul(t.a, t.b))
    }
  })

  it("with a bias and an activation", () => {
    for (const bias of [[5], [1, 5], [4, 1], []]) {
      for (const activation of ["linear", "relu", "sigmoid"] as const) {
        same({ a: noise("a", [4, 6]), b: noise("b", [6, 5]), bias: noise("bias", bias) }, (t) =>
          tf.fused.matMul({
            a: tf.reshape<tf.Rank.R2>(t.a, [4, 6]),
            b: tf.reshape<tf.Rank.R2>(t.b, [6, 5]),
            bias: t.bias,
            activation
          }))
      }
    }
  })
})
