import * as tf from "@tensorflow/tfjs-core"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { adamWListUpdateIf } from "../../lib/ops/adamW.ts"
import * as ops from "../../lib/ops/index.ts"
import { onEachEngine, onEngine, runs } from "../engines.ts"
import * as oracle from "../reference/index.ts"
import { noise, take, tensorOf } from "./against.ts"

describe("adamW", () => {
  onEachEngine(() => {
    it("follows the reference over several steps, decay included", () => {
      const settings = fc.record({
        lr: fc.constantFrom(1e-4, 5e-4, 1e-2),
        weightDecay: fc.constantFrom(0, 0.1, 0.5),
        size: fc.integer({ min: 1, max: 133 }),
        seed: fc.nat()
      })
      fc.assert(
        fc.property(settings, ({ lr, weightDecay, size, seed }) => {
          const [beta1, beta2, eps] = [0.9, 0.98, 1e-8]
          const start = noise(seed, "p", [1, size])
          let params: oracle.Arrays = { w: start }
          let state = oracle.initAdamW(params)
          let [p, m, v] = [tensorOf(start), tf.zeros([1, size]), tf.zeros([1, size])]
          for (let step = 1; step <= 4; step++) {
            const grad = noise(seed, `g${step}`, [1, size], 10 ** -step)
            const options = { betas: [beta1, beta2] as const, eps, weightDecay }
            ;({ params, state } = oracle.updateAdamW(params, { w: grad }, state, lr, options))
            const g = tensorOf(grad)
            ;({ p, m, v } = ops.adamW(p, g, m, v, { lr, beta1, beta2, eps, weightDecay, step }))
            expect(take(g)).toEqual(grad) // the gradient stays as it was
          }
          // p near 1 carries 6e-8 a step; moments are near 0.1 and 0.01
          expect(oracle.errorOf(take(p).data, params["w"]?.data ?? [])).toBeLessThan(1e-6)
          expect(oracle.absoluteError(take(m).data, state.first["w"]?.data ?? [])).toBeLessThan(1e-7)
          expect(oracle.absoluteError(take(v).data, state.second["w"]?.data ?? [])).toBeLessThan(1e-8)
        }),
        runs(20)
      )
    })

    it("the first step moves each number by lr against the gradient's sign, whatever its size", () => {
      const [p, g, m, v] = [tf.zeros([3]), tf.tensor1d([1e-3, -5, 100]), tf.zeros([3]), tf.zeros([3])]
      const attrs = { lr: 0.01, beta1: 0.9, beta2: 0.98, eps: 1e-8, weightDecay: 0.5, step: 1 }
      const updated = ops.adamW(p, g, m, v, attrs)
      expect(oracle.absoluteError(take(updated.p).data, [-0.01, 0.01, -0.01])).toBeLessThan(1e-6)
      for (const tensor of [g, updated.m, updated.v]) tensor.dispose()
    })

    it("consumes parameter and moments, not the gradient", () => {
      const [p, g, m, v] = [tf.ones([2]), tf.ones([2]), tf.zeros([2]), tf.zeros([2])]
      const attrs = { lr: 0.01, beta1: 0.9, beta2: 0.98, eps: 1e-8, weightDecay: 0, step: 1 }
      const updated = ops.adamW(p, g, m, v, attrs)
      expect([p, g, m, v].map((tensor) => tensor.isDisposed)).toEqual([true, false, true, true])
      for (const tensor of [g, updated.p, updated.m, updated.v]) tensor.dispose()
    })

    it("does not touch a parameter that somebody else still holds", () => {
      const p = tf.ones([3])
      const mine = tf.clone(p)
      const [g, m, v] = [tf.ones([3]), tf.zeros([3]), tf.zeros([3])]
      const attrs = { lr: 0.5, beta1: 0.9, beta2: 0.98, eps: 1e-8, weightDecay: 0, step: 1 }
      const updated = ops.adamW(p, g, m, v, attrs)
      expect([...take(mine).data]).toEqual([1, 1, 1])
      for (const tensor of [g, updated.p, updated.m, updated.v]) tensor.dispose()
    })

    it("refuses a gradient of another shape before it writes anything", () => {
      const [p, g, m, v] = [tf.ones([3]), tf.ones([2]), tf.zeros([3]), tf.zeros([3])]
      const part = { p, g, m, v, lr: 1, weightDecay: 0 }
      const shared = { beta1: 0.9, beta2: 0.98, eps: 1e-8, step: 1 }
      expect(() => ops.adamWAll([part], shared)).toThrow("g of shape [3]")
      expect([...take(p).data]).toEqual([1, 1, 1])
      tf.dispose([g, m, v])
    })

    it("the updates of many are those of each, under terms of its own", () => {
      const shared = { beta1: 0.9, beta2: 0.98, eps: 1e-8, step: 2 }
      const part = (size: number, i: number) => ({
        p: tensorOf(noise(i, "p", [size])),
        g: tensorOf(noise(i, "g", [size])),
        m: tensorOf(noise(i, "m", [size], 0.1)),
        v: tf.square(tensorOf(noise(i, "v", [size], 0.1))),
        lr: 1e-2 / (1 + i % 3),
        weightDecay: 0.5 * (i % 2)
      })
      const sizes = [5, 1, 12, 33, 2, 7, 7, 1, 1, 40, 3, 9]
      tf.tidy(() => {
        const [together, alone] = [sizes.map(part), sizes.map(part)]
        const updated = ops.adamWAll(together, shared)
        alone.forEach(({ p, g, m, v, lr, weightDecay }, i) => {
          const expected = ops.adamW(p, g, m, v, { ...shared, lr, weightDecay })
          const found = updated[i]
          if (found === undefined) throw new Error("too few")
          for (const name of ["p", "m", "v"] as const) {
            expect(take(found[name]).data, `${name}${i}`).toEqual(take(expected[name]).data)
          }
        })
      })
    })
  })

  describe("with a flag on the device", () => {
    onEngine("cpu")
    const shared = { beta1: 0.9, beta2: 0.98, eps: 1e-8, step: 2 }
    const part = (size: number, gradient: number) => ({
      p: tensorOf(noise(size, "p", [size])),
      g: tf.fill([size], gradient),
      m: tensorOf(noise(size, "m", [size], 0.1)),
      v: tf.square(tensorOf(noise(size, "v", [size], 0.1))),
      lr: 1e-2,
      weightDecay: 0.5
    })
    const bits = (parts: ReadonlyArray<{ readonly p: tf.Tensor; readonly m: tf.Tensor; readonly v: tf.Tensor }>) =>
      parts.map(({ p, m, v }) => [p, m, v].map((tensor) => [...take(tensor).data]))

    it("the update is the unconditional one where the flag is 1", () => {
      tf.tidy(() => {
        const plain = bits(ops.adamWAll([part(5, 0.3), part(9, 1)], shared))
        expect(bits(ops.adamWAll([part(5, 0.3), part(9, 1)], shared, ops.raw.finite([tf.scalar(3)])))).toEqual(plain)
      })
    })

    it.each([Number.NaN, Infinity, -Infinity])("nothing is written where a figure is %d", (figure) => {
      tf.tidy(() => {
        const before = bits([part(5, figure), part(9, figure)])
        const flag = ops.raw.finite([tf.scalar(1), tf.scalar(figure)])
        expect(bits(ops.adamWAll([part(5, figure), part(9, figure)], shared, flag))).toEqual(before)
        const inputs = [part(5, figure)].flatMap(({ p, g, m, v }) => [p, g, m, v])
        const attrs = { ...shared, lr: [1], weightDecay: [1] }
        const [p, m, v] = adamWListUpdateIf.compose([flag, ...inputs], attrs)
        if (p === undefined || m === undefined || v === undefined) throw new Error("too few")
        expect(bits([{ p, m, v }])).toEqual(before.slice(0, 1))
      })
    })
  })
})
