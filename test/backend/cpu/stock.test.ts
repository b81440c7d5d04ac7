import * as tf from "@tensorflow/tfjs-core"
import type { Tensor } from "@tensorflow/tfjs-core"
import { describe, expect, it } from "vitest"
import { evaluate, expectClose, noise, type Numbers, useEngine } from "./engine.ts"

const { engine } = useEngine(2)

type Program = (t: Readonly<Record<string, Tensor>>) => Tensor

const need = (tensor: Tensor | undefined): Tensor => {
  if (tensor === undefined) throw new Error("no such input")
  return tensor
}

/** Compares with tfjs's cpu backend; with `isOurs` no result may have come from a copied kernel. */
const same = (inputs: Readonly<Record<string, Numbers>>, program: Program, isOurs = true): void => {
  const before = engine().moves()
  const found = evaluate("diffclip-cpu", inputs, (t) => ({ y: program(t) }))
  if (isOurs) expect(engine().moves(), "results moved from the heap").toBe(before)
  expectClose(found, evaluate("cpu", inputs, (t) => ({ y: program(t) })), 1e-5)
}

describe("replaced tfjs kernels equal those of the cpu backend", () => {
  it("matMul in every transposition, batched, with one side shared by the batch", () => {
    for (const [ta, tb] of [[false, false], [true, false], [false, true], [true, true]] as const) {
      const a = noise("a", ta ? [3, 7, 5] : [3, 5, 7]), b = noise("b", tb ? [3, 9, 7] : [3, 7, 9])
      same({ a, b }, (t) => tf.matMul(need(t["a"]), need(t["b"]), ta, tb))
      const single = noise("b", tb ? [9, 7] : [7, 9])
      same({ a, single }, (t) => tf.matMul(need(t["a"]), need(t["single"]), ta, tb))
    }
    same({ a: noise("a", [150, 140]), b: noise("b", [140, 130]) }, (t) => tf.matMul(need(t["a"]), need(t["b"])))
    same(
      { a: noise("a", [4, 6]), b: noise("b", [6, 5]), bias: noise("bias", [5]) },
      (t) =>
        tf.fused.matMul({
          a: tf.reshape<tf.Rank.R2>(need(t["a"]), [4, 6]),
          b: tf.reshape<tf.Rank.R2>(need(t["b"]), [6, 5]),
          bias: need(t["bias"])
        })
    )
  })

  it("arithmetic over equal shapes, scalars, rows, columns and swapped sides", () => {
    const shapes = [
      [[5, 7], [5, 7]],
      [[5, 7], []],
      [[], [5, 7]],
      [[5, 7], [7]],
      [[7], [5, 7]],
      [[5, 7], [5, 1]],
      [[5, 1], [5, 7]],
      [[2, 3, 5], [3, 5]],
      [[2, 3, 5], [1, 3, 5]],
      [[2, 3, 5], [2, 1, 1]],
      [[300, 240], [240]],
      [[6, 1], [1]],
      [[1, 3], [3]]
    ] as const
    for (const [sa, sb] of shapes) {
      for (const op of [tf.add, tf.sub, tf.mul, tf.div, tf.maximum, tf.minimum]) {
        same({ a: noise("a", sa), b: noise("b", sb) }, (t) => op(need(t["a"]), need(t["b"])))
      }
    }
  })

  it("broadcasts that are not ours go to the copied kernel", () => {
    same({ a: noise("a", [5, 1]), b: noise("b", [1, 7]) }, (t) => tf.add(need(t["a"]), need(t["b"])), false)
    same({ a: noise("a", [2, 3, 4]), b: noise("b", [1, 3, 1]) }, (t) => tf.mul(need(t["a"]), need(t["b"])), false)
  })

  it("elementwise functions", () => {
    for (const op of [tf.exp, tf.neg, tf.square, tf.sigmoid, tf.abs, tf.reciprocal]) {
      for (const n of [1, 6, 50_003]) same({ x: noise("x", [n]) }, (t) => op(need(t["x"])))
    }
    for (const op of [tf.sqrt, tf.rsqrt]) {
      const values = Array.from({ length: 9 }, (_, i) => i * 0.37)
      same({ x: { shape: [9], values } }, (t) => op(need(t["x"])))
    }
  })

  it("sums, means and maxima over all, leading and trailing axes", () => {
    const x = noise("x", [6, 5, 7])
    for (const keep of [false, true]) {
      for (const axis of [undefined, 0, 1, 2, -1, [0, 1], [1, 2], [0, 2], [0, 1, 2]]) {
        const isOurs = axis !== 1 && !(Array.isArray(axis) && axis.join() === "0,2")
        same({ x }, (t) => tf.sum(need(t["x"]), axis, keep), isOurs)
        same({ x }, (t) => tf.mean(need(t["x"]), axis, keep), isOurs)
        const isTrailing = axis !== 0 && !(Array.isArray(axis) && axis.join() === "0,1")
        same({ x }, (t) => tf.max(need(t["x"]), axis, keep), isOurs && isTrailing)
      }
    }
    same({ x: noise("x", [400, 200]) }, (t) => tf.sum(need(t["x"]), 0))
    same({ x: noise("x", []) }, (t) => tf.sum(need(t["x"])))
  })

  it("softmax and its logarithm, with large numbers, infinities and NaN", () => {
    for (const cols of [1, 3, 4, 9]) {
      same({ x: noise("x", [3, 2, cols], 30) }, (t) => tf.softmax(need(t["x"])))
      same({ x: noise("x", [3, 2, cols], 30) }, (t) => tf.logSoftmax(need(t["x"])), false)
    }
    const values = [
      1,
      -Infinity,
      2,
      3,
      4,
      NaN,
      1,
      2,
      3,
      4,
      Infinity,
      1,
      1,
      1,
      1,
      -Infinity,
      -Infinity,
      -Infinity,
      -Infinity,
      -Infinity
    ]
    same({ x: { shape: [4, 5], values } }, (t) => tf.softmax(need(t["x"])))
  })

  it("transpose, slice, split, concat, pad, tile, gather, reshape", () => {
    const x = noise("x", [2, 3, 4, 5])
    for (const perm of [[0, 2, 1, 3], [3, 2, 1, 0], [1, 0, 3, 2], [0, 1, 2, 3], [2, 3, 0, 1]]) {
      same({ x }, (t) => tf.transpose(need(t["x"]), perm))
    }
    same({ x: noise("x", [37, 53]) }, (t) => tf.transpose(need(t["x"])))
    same({ x: noise("x", [2, 3, 2, 3, 2, 3]) }, (t) => tf.transpose(need(t["x"]), [0, 2, 4, 1, 3, 5]))
    same({ x }, (t) => tf.slice(need(t["x"]), [0, 1, 0, 2], [2, 1, 4, 3]))
    same({ x }, (t) => tf.slice(need(t["x"]), [1, 0, 0, 0], [1, 3, 4, 5]))
    for (const i of [0, 1]) same({ x }, (t) => need(tf.split(need(t["x"]), [1, 2], 1)[i]))
    for (const axis of [0, 1, -1]) {
      const other = axis === 0 ? [1, 3, 4, 5] : axis === 1 ? [2, 2, 4, 5] : [2, 3, 4, 1]
      same({ x, y: noise("y", other) }, (t) => tf.concat([need(t["x"]), need(t["y"])], axis))
    }
    same({ x: noise("x", [3, 4]) }, (t) => tf.pad(need(t["x"]), [[1, 0], [2, 3]]))
    same({ x: noise("x", [1, 3, 1]) }, (t) => tf.tile(need(t["x"]), [4, 1, 2]))
    same({ x: noise("x", [1, 3]) }, (t) => tf.broadcastTo(need(t["x"]), [5, 3]))
    const indices: Numbers = { shape: [2, 3], values: [0, 4, 4, 2, 1, 0], dtype: "int32" }
    same(
      { x: noise("x", [5, 3]), indices },
      (t) => tf.gather(need(t["x"]), tf.reshape<tf.Rank.R2>(need(t["indices"]), [2, 3]))
    )
    same({ x }, (t) => tf.reshape(need(t["x"]), [6, 20]))
  })

  it("casts between numbers and booleans, comparisons, argMax", () => {
    same({ x: { shape: [3], values: [1, 2, 3], dtype: "int32" } }, (t) => tf.cast(need(t["x"]), "float32"))
    same({ x: noise("x", [9]) }, (t) => tf.cast(tf.greater(need(t["x"]), 0), "float32"), false)
    same({ x: noise("x", [9], 5) }, (t) => tf.cast(tf.cast(need(t["x"]), "int32"), "float32"), false)
    same({ x: noise("x", [5, 9]) }, (t) => tf.cast(tf.argMax(need(t["x"]), 1), "float32"), false)
    same({ x: noise("x", [9]) }, (t) => tf.cast(tf.sum(tf.greater(need(t["x"]), 0)), "float32"), false)
  })

  it("zeros, ones and constants", () => {
    same(
      { x: noise("x", [3, 5]) },
      (t) => tf.concat([tf.zerosLike(need(t["x"])), tf.onesLike(need(t["x"])), tf.fill([1, 5], 2.5)]),
      false
    )
  })
})

describe("tensors in the arena", () => {
  it("a read is a copy that later kernels leave alone", () => {
    const x = tf.tensor1d([1, 2, 3])
    const read = x.dataSync()
    x.dispose()
    const other = tf.tensor1d([7, 8, 9])
    expect([...read]).toEqual([1, 2, 3])
    other.dispose()
  })

  it("the caller's array is copied when the tensor is made", () => {
    const values = Float32Array.of(1, 2, 3)
    const x = tf.tensor1d(values)
    values.fill(0)
    expect([...x.dataSync()]).toEqual([1, 2, 3])
    x.dispose()
  })

  it("bytes in use return to what they were, over many steps and after an error", () => {
    const before = engine().memory().bytesInUse
    const step = (): void => {
      tf.tidy(() => tf.sum(tf.softmax(tf.matMul(tf.ones([50, 60]), tf.ones([60, 70])))).dataSync())
    }
    step()
    const { peakBytes } = engine().memory()
    for (let i = 0; i < 20; i++) step()
    expect(() => tf.tidy(() => tf.gather(tf.ones([3, 2]), tf.tensor1d([0, 3], "int32")))).toThrow(
      /index 3 at position 1/
    )
    expect(engine().memory()).toMatchObject({ bytesInUse: before, peakBytes })
  })

  it("tensors move to and from another backend", () => {
    const x = tf.tensor1d([1, 2, 3])
    tf.setBackend("cpu")
    expect([...tf.mul(x, 2).dataSync()]).toEqual([2, 4, 6])
    tf.setBackend("diffclip-cpu")
    expect([...tf.mul(x, 3).dataSync()]).toEqual([3, 6, 9])
    x.dispose()
  })
})
