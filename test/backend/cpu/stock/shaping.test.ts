import * as tf from "@tensorflow/tfjs-core"
import * as fc from "fast-check"
import { describe, it } from "vitest"
import { runs } from "../../../engines.ts"
import { useEngine } from "../engine.ts"
import { need, numbersOf, same, shapes, type Type } from "./compare.ts"

useEngine(2)

const types = fc.constantFrom<Type>("float32", "float32", "int32", "bool")

/** tfjs-core slices and pads no scalars. */
const hasAxes = (shape: ReadonlyArray<number>): boolean => shape.length > 0

/** A number below `limit` for each axis, from a seed. */
const within = (seed: number, limits: ReadonlyArray<number>): ReadonlyArray<number> =>
  limits.map((limit, i) => limit === 0 ? 0 : (seed * (i + 7)) % limit)

/** tfjs-core's transpose takes up to 6 axes, our kernel any number: reached through the registry. */
const transposed = (x: tf.Tensor, perm: ReadonlyArray<number>): tf.Tensor =>
  tf.engine().runKernel<tf.Tensor>("Transpose", { x }, { perm: [...perm] })

describe("kernels that move numbers equal those of tfjs's cpu backend", () => {
  it("transposes of any rank and type", () => {
    fc.assert(
      fc.property(shapes(6, 0, 4), types, fc.nat(1000), (shape, type, seed) => {
        const perm = shape.map((_, i) => i).sort((a, b) => (seed * (a + 3)) % 11 - (seed * (b + 3)) % 11)
        same({ x: numbersOf("x", shape, type) }, (t) => tf.transpose(t.x, perm))
      }),
      runs(60)
    )
    same({ x: numbersOf("x", [37, 53], "float32") }, (t) => tf.transpose(t.x))
    same({ x: numbersOf("x", [300, 240], "float32") }, (t) => tf.transpose(t.x))
  })

  it("a transpose of eight axes is done in pieces, and done back gives the tensor", () => {
    const perm = [7, 2, 5, 0, 6, 1, 4, 3]
    const back = perm.map((_, axis) => perm.indexOf(axis))
    const x = numbersOf("x", [2, 3, 2, 2, 3, 2, 2, 2], "float32")
    same({ x }, (t) => tf.reshape(tf.getBackend() === "cpu" ? t.x : transposed(transposed(t.x, perm), back), [-1]))
  })

  it("slices", () => {
    fc.assert(
      fc.property(shapes(5, 1).filter(hasAxes), types, fc.nat(1000), (shape, type, seed) => {
        const begin = within(seed, shape)
        const size = begin.map((at, i) => seed % 5 === 0 ? -1 : ((seed >> i) % ((shape[i] ?? 0) - at + 1)))
        same({ x: numbersOf("x", shape, type) }, (t) => tf.slice(t.x, [...begin], size))
      }),
      runs(60)
    )
  })

  it("splits by number and by sizes, one of them open", () => {
    const x = numbersOf("x", [2, 6, 5], "float32")
    same({ x }, (t) => [...tf.split(t.x, 3, 1), ...tf.split(t.x, [1, 3, 2], 1), ...tf.split(t.x, [2, -1], -1)])
    same({ x: numbersOf("x", [4, 2], "bool") }, (t) => tf.split(t.x, 2))
  })

  it("joins along any axis, of each type, empty parts too", () => {
    fc.assert(
      fc.property(shapes(4, 1), types, fc.nat(100), (shape, type, seed) => {
        if (shape.length === 0) return
        const axis = seed % shape.length
        const other = shape.map((dim, i) => i === axis ? seed % 4 : dim)
        const inputs = { a: numbersOf("a", shape, type), b: numbersOf("b", other, type) }
        same(inputs, (t) => [tf.concat([t.a, t.b], axis), tf.concat([t.b, t.a, t.a], axis), tf.concat([t.a], axis)])
      }),
      runs(40)
    )
  })

  it("stacks and unstacks", () => {
    for (const type of ["float32", "int32", "bool"] as const) {
      for (const axis of [0, 1, 2]) {
        same({ a: numbersOf("a", [2, 3], type), b: numbersOf("b", [2, 3], type) }, (t) => tf.stack([t.a, t.b], axis))
        same({ x: numbersOf("x", [2, 3, 2], type) }, (t) => tf.unstack(t.x, axis))
      }
    }
  })

  it("padding with any number", () => {
    fc.assert(
      fc.property(shapes(4).filter(hasAxes), types, fc.nat(1000), (shape, type, seed) => {
        const around = shape.map((_, i): [number, number] => [(seed >> i) % 3, (seed >> (i + 2)) % 3])
        same({ x: numbersOf("x", shape, type) }, (t) => tf.pad(t.x, around, seed % 2))
      }),
      runs(40)
    )
  })

  it("tiles and broadcasts", () => {
    fc.assert(
      fc.property(shapes(4, 1, 4), types, fc.nat(1000), (shape, type, seed) => {
        const reps = shape.map((_, i) => 1 + (seed >> i) % 3)
        same({ x: numbersOf("x", shape, type) }, (t) => tf.tile(t.x, reps))
        const small = shape.map((dim, i) => (seed >> i) % 2 === 0 ? 1 : dim)
        same({ x: numbersOf("x", small, type) }, (t) => tf.broadcastTo(t.x, [2, ...shape]))
      }),
      runs(40)
    )
  })

  it("views under other shapes", () => {
    same({ x: numbersOf("x", [2, 3, 4], "float32") }, (t) => [
      ...[tf.reshape(t.x, [6, -1]), tf.expandDims(t.x, 1), tf.expandDims(t.x, -1), tf.squeeze(tf.slice(t.x, 0, 1))],
      ...[tf.clone(t.x), tf.reshape(tf.clone(t.x), [24])]
    ])
  })

  it("casts between all types", () => {
    for (const from of ["float32", "int32", "bool"] as const) {
      for (const to of ["float32", "int32", "bool"] as const) {
        same({ x: numbersOf("x", [3, 7], from) }, (t) => tf.cast(t.x, to))
      }
    }
  })

  it("zeros, ones and constants of each type", () => {
    for (const type of ["float32", "int32", "bool"] as const) {
      same({ x: numbersOf("x", [3, 5], type) }, (t) => [tf.zerosLike(t.x), tf.onesLike(t.x)])
    }
    same(
      {},
      () => [tf.fill([2, 5], 2.5), tf.fill([3], -7, "int32"), tf.fill([0, 2], 1), tf.zeros([2]), tf.ones([2, 1])]
    )
  })

  it("the parts of one join are the results of the split that undoes it", () => {
    same({ x: numbersOf("x", [3, 4], "float32") }, (t) => {
      const parts = tf.split(t.x, [1, 3], 1)
      return tf.sub(tf.concat([need(parts[0]), need(parts[1])], 1), t.x)
    })
  })
})
