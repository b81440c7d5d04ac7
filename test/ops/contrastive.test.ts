import * as tf from "@tensorflow/tfjs-core"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as ops from "../../lib/ops/index.ts"
import { value } from "../../lib/tensor/index.ts"
import { onEachEngine, runs } from "../engines.ts"
import * as oracle from "../reference/index.ts"
import { expectOracle, expectShapeError, forwardOf, type Named, noise, tensorOf, zeros } from "./against.ts"

type Input = "u" | "t" | "scale"

const inputsOf = (seed: number, b: number, e: number, scale: number): Named<Input, oracle.F64> => ({
  u: noise(seed, "u", [b, e], e ** -0.5),
  t: noise(seed, "t", [b, e], e ** -0.5),
  scale: oracle.scalar(scale)
})

/** Both cross entropies with `column` applied to the operand that gives the columns. */
const lossOf =
  (column: (x: oracle.Node) => oracle.Node) => ({ u, t, scale }: Named<Input, oracle.Node>): oracle.Node => {
    const targets = Array.from({ length: u.value.shape[0] ?? 0 }, (_, i) => i)
    const side = (rows: oracle.Node, columns: oracle.Node) =>
      oracle.crossEntropy(oracle.mul(scale, oracle.matmul(rows, columns, { transposeB: true })), targets)
    return oracle.scale(oracle.add(side(u, column(t)), side(t, column(u))), 0.5)
  }

describe("contrastive", () => {
  onEachEngine(() => {
    const sizes = [
      fc.nat(),
      fc.constantFrom(1, 2, 5, 16, 33),
      fc.constantFrom(1, 3, 8, 37),
      fc.constantFrom(1, 14, 100)
    ] as const

    it("loss and gradients of both sides and of the scale", () => {
      fc.assert(
        fc.property(...sizes, (seed, b, e, scale) =>
          expectOracle({
            inputs: inputsOf(seed, b, e, scale),
            ours: (p) => ops.contrastive(p.u, p.t, p.scale, "differentiable").loss,
            oracle: lossOf((x) => x),
            // Logits up to 100 carry 1e-5, and gradients are multiplied by the scale again.
            limits: { out: 2e-5, grad: 2e-4 }
          })),
        runs(25)
      )
    })

    it("with constant columns the loss is the same and the gradients are those of the rows", () => {
      fc.assert(
        fc.property(...sizes, (seed, b, e, scale) =>
          expectOracle({
            inputs: inputsOf(seed, b, e, scale),
            ours: (p) => ops.contrastive(p.u, p.t, p.scale, "constant").loss,
            oracle: lossOf(oracle.detach),
            limits: { out: 2e-5, grad: 2e-4 }
          })),
        runs(25)
      )
    })

    it("counts the images whose own text has the first largest logit", () => {
      const count = (u: ReadonlyArray<number>, t: ReadonlyArray<number>): number => {
        const [left, right] = [oracle.f64([2, 2], u), oracle.f64([2, 2], t)].map((x) => value(tensorOf(x)))
        if (left === undefined || right === undefined) throw new RangeError("two sides")
        const scale = zeros()
        const one = value(tf.scalar(10))
        const correct = tf.tidy(() => ops.contrastive(left, right, one, "differentiable").correct)
        const [found = NaN] = correct.dataSync()
        for (const tensor of [left.tensor, right.tensor, scale.tensor, one.tensor, correct]) tensor.dispose()
        return found
      }
      expect(count([1, 0, 0, 1], [1, 0, 0, 1])).toBe(2)
      expect(count([1, 0, 0, 1], [0, 1, 1, 0])).toBe(0)
      expect(count([1, 0, 1, 0], [1, 0, 1, 0])).toBe(1) // all logits equal: the first maximum is column 0
    })

    it("NaN in one embedding makes the loss NaN", () => {
      const inputs = inputsOf(1, 4, 3, 10)
      const u = oracle.mapArray((v, i) => (i === 5 ? NaN : v), inputs.u)
      const loss = forwardOf({ ...inputs, u }, (p) => ops.contrastive(p.u, p.t, p.scale, "differentiable").loss)
      expect(loss.data[0]).toBeNaN()
    })

    it("refuses two batches of different sizes, a scale that is no scalar, and no pairs", () => {
      const call = (u: ReadonlyArray<number>, t: ReadonlyArray<number>, scale: ReadonlyArray<number>) => () =>
        ops.contrastive(zeros(...u), zeros(...t), zeros(...scale), "differentiable").loss
      expectShapeError(call([3, 4], [2, 4], []), "contrastive", "t of shape [3, 4]", "[2, 4]")
      expectShapeError(call([3, 4], [3, 4], [1]), "contrastive", "scale of shape []", "[1]")
      expectShapeError(call([3], [3], []), "contrastive", "u of rank 2", "[3]")
      expectShapeError(call([0, 4], [0, 4], []), "contrastive", "at least one pair", "an empty batch")
    })
  })
})
