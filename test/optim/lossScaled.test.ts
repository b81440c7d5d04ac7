import * as tf from "@tensorflow/tfjs-core"
import { beforeEach, describe, expect, it } from "vitest"
import { adamW, lossScaled, type LossScaledState } from "../../lib/optim/index.ts"
import type { AdamWState } from "../../lib/optim/index.ts"
import { type Value, value } from "../../lib/tensor/index.ts"

type P = { readonly w: Value; readonly b: Value }
type S = LossScaledState<AdamWState<P>>

const tree = (w: ReadonlyArray<number>, b: number): P => ({
  w: value(tf.keep(tf.tensor2d([...w], [1, w.length]))),
  b: value(tf.keep(tf.scalar(b)))
})
const numbers = ({ w, b }: P): ReadonlyArray<number> => [...w.tensor.dataSync(), ...b.tensor.dataSync()]
const figures = ({ lossScale, goodSteps }: S): ReadonlyArray<number> =>
  [lossScale, goodSteps].map(({ tensor }) => tensor.dataSync()[0] ?? Number.NaN)

describe("lossScaled", () => {
  beforeEach(() => void tf.setBackend("cpu"))

  it("good gradients give the update of the optimizer inside, bit for bit", () => {
    const [plain, scaled] = [adamW<P>({ weightDecay: 0.1 }), lossScaled(adamW<P>({ weightDecay: 0.1 }))]
    let p = tree([1, -2, 3], 0.5)
    let s = plain.init(p)
    let q = tree([1, -2, 3], 0.5)
    let t = scaled.init(q)
    for (const g of [[0.1, 0.2, -0.3], [1e-9, -5, 2]]) {
      ;[p, s] = plain.update(tree(g, 0.7), s, p, 0.01)
      ;[q, t] = scaled.update(tree(g, 0.7), t, q, 0.01)
    }
    expect(numbers(q)).toEqual(numbers(p))
    expect(numbers(t.inner.nu)).toEqual(numbers(s.nu))
    expect(scaled.lossScaleOf(t).dataSync()[0]).toBe(65_536)
  })

  it("a step that overflowed leaves parameters and moments alone and halves the scale", () => {
    const optimizer = lossScaled(adamW<P>(), { initial: 1024 })
    let p = tree([1, 2], 3)
    let s = optimizer.init(p)
    ;[p, s] = optimizer.update(tree([10, 20], 30), s, p, 0.1)
    const [before, moments] = [numbers(p), numbers(s.inner.mu)]
    for (const bad of [Infinity, Number.NaN]) [p, s] = optimizer.update(tree([1, bad], 1), s, p, 0.1)
    expect(numbers(p)).toEqual(before)
    expect(numbers(s.inner.mu)).toEqual(moments)
    expect(figures(s)).toEqual([256, 0])
  })

  it("the scale doubles after so many good steps in a row, and a bad one starts the count anew", () => {
    const optimizer = lossScaled(adamW<P>(), { initial: 8, interval: 3 })
    let p = tree([1], 1)
    let s = optimizer.init(p)
    const seen = [1, 1, Infinity, 1, 1, 1, 1].map((g) => {
      ;[p, s] = optimizer.update(tree([g], g), s, p, 0.1)
      return figures(s)
    })
    expect(seen).toEqual([[8, 1], [8, 2], [4, 0], [4, 1], [4, 2], [8, 0], [8, 1]])
  })

  it("the caller's flag is the answer where there is one; no tensor is left", () => {
    const optimizer = lossScaled(adamW<P>(), { initial: 8 })
    let p = tree([1], 1)
    let s = optimizer.init(p)
    const [on, off] = [tf.tensor1d([1]), tf.tensor1d([0])]
    const before = tf.memory().numTensors
    ;[p, s] = optimizer.updateIf(off, tree([1], 1), s, p, 0.1)
    expect(numbers(p)).toEqual([1, 1])
    expect(figures(s)).toEqual([4, 0])
    ;[p, s] = optimizer.updateIf(on, tree([1], 1), s, p, 0.1)
    expect(numbers(p)[0]).toBeLessThan(1)
    expect(figures(s)).toEqual([4, 1])
    expect(tf.memory().numTensors).toBe(before)
  })

  it("an optimizer that cannot leave a step out is refused", () => {
    const plain = adamW<P>()
    expect(() => lossScaled({ init: plain.init, update: plain.update })).toThrow(/updateIf/)
  })
})
