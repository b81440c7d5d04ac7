import * as tf from "@tensorflow/tfjs-core"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type DiffAttention, lambdaOf, lookAtDiffAttention } from "../../lib/nn/index.ts"
import { fold, keyOf, normal, type Value, value } from "../../lib/tensor/index.ts"
import { onEachEngine, runs } from "../engines.ts"
import { arrayOf, expectOracle, forwardOf, type Named, noise, tensorOf } from "../ops/against.ts"
import * as oracle from "../reference/index.ts"

const vectorsOf = (seed: number, headDim: number, std: number) => ({
  q1: noise(seed, "q1", [headDim], std),
  k1: noise(seed, "k1", [headDim], std),
  q2: noise(seed, "q2", [headDim], std),
  k2: noise(seed, "k2", [headDim], std)
})

const lambdaInit = fc.constantFrom(0, 0.2, 0.5, 0.8)
const headDim = fc.constantFrom(1, 3, 7, 64)

describe("lambdaOf", () => {
  onEachEngine(() => {
    it("equals lambdaInit when its four vectors are zero, or the two products are equal", () => {
      fc.assert(
        fc.property(fc.nat(), headDim, lambdaInit, (seed, d, init) => {
          const of = (vectors: ReturnType<typeof vectorsOf>) => forwardOf(vectors, lambdaOf(init)).data[0]
          expect(of(vectorsOf(seed, d, 0))).toBe(Math.fround(init))
          const { q1, k1 } = vectorsOf(seed, d, 0.1)
          expect(of({ q1, k1, q2: q1, k2: k1 })).toBe(Math.fround(init))
          expect(of({ q1, k1, q2: k1, k2: q1 })).toBe(Math.fround(init))
        }),
        runs(20)
      )
    })

    it("is exp(q1 . k1) - exp(q2 . k2) + lambdaInit, with the gradients of that formula", () => {
      fc.assert(
        fc.property(fc.nat(), headDim, lambdaInit, fc.constantFrom(0.1, 0.4), (seed, d, init, std) =>
          expectOracle({
            inputs: vectorsOf(seed, d, std),
            ours: lambdaOf(init),
            oracle: (p) => oracle.lambdaOf(p, init)
          })),
        runs(20)
      )
    })

    it("is not bound to [0, 1]", () => {
      const [one, zero] = [oracle.f64([1], [1]), oracle.f64([1], [0])]
      const [up = NaN] = forwardOf({ q1: one, k1: one, q2: zero, k2: zero }, lambdaOf(0.8)).data
      expect(up).toBeCloseTo(Math.E - 1 + 0.8, 5)
      const [down = NaN] = forwardOf({ q1: zero, k1: zero, q2: one, k2: one }, lambdaOf(0.8)).data
      expect(down).toBeCloseTo(1 - Math.E + 0.8, 5)
    })

    it("at initialisation (vectors of deviation 0.1, width 64) lies within lambdaInit +- 0.11, one deviation", () => {
      const drawn = Array.from({ length: 400 }, (_, i) => {
        const vector = (name: string) => oracle.f64([64], normal(fold(keyOf(1), i, name), 64, 0.1))
        const vectors = { q1: vector("q1"), k1: vector("k1"), q2: vector("q2"), k2: vector("k2") }
        return forwardOf(vectors, lambdaOf(0.8)).data[0] ?? NaN
      })
      const mean = drawn.reduce((sum, x) => sum + x, 0) / drawn.length
      const std = Math.sqrt(drawn.reduce((sum, x) => sum + (x - mean) ** 2, 0) / drawn.length)
      expect(Math.abs(mean - 0.8)).toBeLessThan(5 * 0.115 / 20) // five standard errors
      expect(std).toBeGreaterThan(0.095)
      expect(std).toBeLessThan(0.135)
    })

    it("does not depend on the input, only on its vectors: one number for the layer", () => {
      const d = 12
      const linear = (name: string) => ({
        weight: value(tensorOf(noise(1, `${name}.w`, [d, d], 0.3))),
        bias: value(tensorOf(noise(1, `${name}.b`, [d], 0.3)))
      })
      const vectors = vectorsOf(4, 3, 0.4)
      const at = (x: oracle.F64): ReadonlyArray<oracle.F64> => {
        const read: Array<oracle.F64> = []
        tf.tidy(() => {
          const lift = (entry: oracle.F64): Value => value(tensorOf(entry))
          const lambda: Named<"q1" | "k1" | "q2" | "k2", Value> = {
            q1: lift(vectors.q1),
            k1: lift(vectors.k1),
            q2: lift(vectors.q2),
            k2: lift(vectors.k2)
          }
          const subNorm = lift(oracle.f64([6], [1, 1, 1, 1, 1, 1]))
          const p: DiffAttention = { lambda, q: linear("q"), k: linear("k"), v: linear("v"), out: linear("o"), subNorm }
          const look = lookAtDiffAttention({ numHeads: 4, mask: "none", lambdaInit: 0.8 })(p, lift(x))
          read.push(arrayOf(look.lambda.tensor), arrayOf(look.out.tensor))
        })
        return read
      }
      const [one, other] = [at(noise(1, "x", [2, 5, d])), at(noise(2, "x", [1, 3, d], 9))]
      expect(one[0]?.shape).toEqual([])
      expect(one[0]).toEqual(other[0])
      expect(one[1]).not.toEqual(other[1])
    })
  })
})
