import * as tf from "@tensorflow/tfjs-core"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as ops from "../../lib/ops/index.ts"
import type { Shape, Value } from "../../lib/tensor/index.ts"
import { value } from "../../lib/tensor/index.ts"
import { onEachEngine, runs } from "../engines.ts"
import * as oracle from "../reference/index.ts"
import {
  arrayOf,
  differentiate,
  expectOracle,
  expectShapeError,
  forwardOf,
  type Named,
  noise,
  tensorOf,
  zeros
} from "./against.ts"

type Input = "q" | "k" | "v" | "lambda"
type Inputs = Named<Input, oracle.F64>
type Mask = "none" | "causal"

const setting = fc.record({
  seed: fc.nat(),
  n: fc.constantFrom(1, 2, 5, 17),
  headDim: fc.constantFrom(1, 3, 5, 7, 8),
  numHeads: fc.constantFrom(2, 4, 6),
  mask: fc.constantFrom<Mask>("none", "causal")
})

interface Sizes {
  readonly seed: number
  readonly n: number
  readonly headDim: number
  readonly numHeads: number
}

const inputsOf = ({ seed, n, headDim, numHeads }: Sizes, std = 1, batch = 1): Inputs => {
  const shape = [batch, n, headDim * numHeads]
  return {
    q: noise(seed, "q", shape, std),
    k: noise(seed, "k", shape),
    v: noise(seed, "v", shape),
    lambda: oracle.scalar(Math.fround(0.8 + 0.1 * (seed % 5)))
  }
}

const attend = (numHeads: number, mask: Mask) => (p: Named<Input, Value>): Value =>
  ops.diffAttention(p.q, p.k, p.v, p.lambda, { numHeads, mask })

/** The output and both maps as arrays. */
const look = (inputs: Inputs, numHeads: number, mask: Mask) => {
  const read: Array<oracle.F64> = []
  tf.tidy(() => {
    const [q, k, v, lambda] = [inputs.q, inputs.k, inputs.v, inputs.lambda].map((x) => value(tensorOf(x)))
    if (q === undefined || k === undefined || v === undefined || lambda === undefined) throw new RangeError("inputs")
    const { out, first, second } = ops.diffAttentionMaps(q, k, v, lambda, { numHeads, mask })
    read.push(arrayOf(out.tensor), arrayOf(first.tensor), arrayOf(second.tensor))
  })
  const [out, first, second] = read
  if (out === undefined || first === undefined || second === undefined) throw new RangeError("outputs")
  return { out, first, second }
}

const rowSums = ({ shape, data }: oracle.F64): ReadonlyArray<number> => {
  const n = shape.at(-1) ?? 1
  return Array.from(
    { length: data.length / n },
    (_, row) => data.subarray(row * n, (row + 1) * n).reduce((a, b) => a + b, 0)
  )
}

/** Copies the features of even heads over those of the odd ones: both maps of each pair are then equal. */
const withEqualPairs = (x: oracle.F64, headDim: number): oracle.F64 =>
  oracle.mapArray((_, i) => oracle.at(x.data, i - (Math.floor(i / headDim) % 2) * headDim), x)

/** Rows (tokens) in another order: row i of the result is row order[i]. */
const reorder = (x: oracle.F64, order: ReadonlyArray<number>): oracle.F64 => {
  const [, n = 1, d = 1] = x.shape
  return oracle.mapArray((_, i) => {
    const token = Math.floor(i / d) % n
    return oracle.at(x.data, i + ((order[token] ?? 0) - token) * d)
  }, x)
}

const isCausal = (mask: Mask): boolean => mask === "causal"
const oracleOf = (numHeads: number, mask: Mask) => (p: Named<Input, oracle.Node>): oracle.Node =>
  oracle.diffAttention({ ...p, numHeads, causal: isCausal(mask) }).out

describe("diffAttention", () => {
  onEachEngine((engine) => {
    it("output and gradients of q, k, v and lambda: one token, odd head widths and the mask included", () => {
      fc.assert(
        fc.property(setting, (s) =>
          expectOracle({
            inputs: inputsOf(s, 1, 2),
            ours: attend(s.numHeads, s.mask),
            oracle: oracleOf(s.numHeads, s.mask)
          })),
        runs(25)
      )
    })

    it.each<Mask>(["none", "causal"])("197 tokens, mask %s", (mask) => {
      const sizes = { seed: 5, n: 197, headDim: 7, numHeads: 2 }
      expectOracle({ inputs: inputsOf(sizes), ours: attend(2, mask), oracle: oracleOf(2, mask) })
    })

    it.each<Mask>(["none", "causal"])("maps of several blocks of rows, mask %s", (mask) => {
      const sizes = { seed: 5, n: 261, headDim: 3, numHeads: 2 }
      expectOracle({ inputs: inputsOf(sizes), ours: attend(2, mask), oracle: oracleOf(2, mask) })
    })

    it("large scores: maps are nearly one-hot, and nothing overflows", () => {
      fc.assert(
        fc.property(setting, (s) =>
          expectOracle({
            inputs: inputsOf(s, 25),
            ours: attend(s.numHeads, s.mask),
            oracle: oracleOf(s.numHeads, s.mask),
            limits: { out: 1e-4, grad: 5e-3 } // scores near 100 carry 1e-5 (GOLDENS 3, saturated cases)
          })),
        runs(15)
      )
    })

    it("gradients are the finite differences of our own float32 forward pass", () => {
      const sizes = { seed: 11, n: 3, headDim: 3, numHeads: 2 }
      const inputs = inputsOf(sizes)
      const seed = noise(1, "cotangent", inputs.q.shape)
      const { grads } = differentiate(inputs, attend(2, "causal"), () => seed)
      const loss = ([q, k, v, lambda]: ReadonlyArray<oracle.F64>): number => {
        if (q === undefined || k === undefined || v === undefined || lambda === undefined) {
          throw new RangeError("points")
        }
        const { data } = forwardOf({ q, k, v, lambda }, attend(2, "causal"))
        return data.reduce((sum, y, i) => sum + y * oracle.at(seed.data, i), 0)
      }
      const expected = oracle.finiteDifferences(loss, [inputs.q, inputs.k, inputs.v, inputs.lambda], 0.03)
      ;[grads.q, grads.k, grads.v, grads.lambda].forEach((grad, i) => {
        // Rounding: 1e-6 of the sum over a step of 0.03; the fourth-order formula leaves 0.03^4.
        expect(oracle.errorOf(grad.data, oracle.at(expected, i).data)).toBeLessThan(5e-4)
      })
    })

    it("looking at the maps changes neither the output nor a gradient, by a bit", () => {
      const inputs = inputsOf({ seed: 2, n: 17, headDim: 5, numHeads: 4 })
      const seed = noise(1, "cotangent", inputs.q.shape)
      const options = { numHeads: 4, mask: "causal" } as const
      const looking = (p: Named<Input, Value>): Value => ops.diffAttentionMaps(p.q, p.k, p.v, p.lambda, options).out
      const found = differentiate(inputs, looking, () => seed)
      expect(found).toEqual(differentiate(inputs, attend(4, "causal"), () => seed))
    })

    it("rows of both maps sum to 1, rows of their difference to 1 - lambda", () => {
      fc.assert(
        fc.property(setting, fc.constantFrom(1, 25), (s, std) => {
          const inputs = inputsOf(s, std)
          const { first, second } = look(inputs, s.numHeads, s.mask)
          const lambda = oracle.at(inputs.lambda.data, 0)
          const difference = oracle.mapArray((p, i) => p - lambda * oracle.at(second.data, i), first)
          for (const sum of [...rowSums(first), ...rowSums(second)]) expect(Math.abs(sum - 1)).toBeLessThan(1e-6)
          for (const sum of rowSums(difference)) expect(Math.abs(sum - (1 - lambda))).toBeLessThan(3e-6)
        }),
        runs(20)
      )
    })

    it("the maps are the oracle's, with exact zeros above the diagonal of the masked ones", () => {
      fc.assert(
        fc.property(setting, (s) => {
          const inputs = inputsOf(s)
          const { first, second } = look(inputs, s.numHeads, s.mask)
          const node = (x: oracle.F64) => oracle.constant(x)
          const expected = oracle.diffAttention({
            q: node(inputs.q),
            k: node(inputs.k),
            v: node(inputs.v),
            lambda: node(inputs.lambda),
            numHeads: s.numHeads,
            causal: isCausal(s.mask)
          })
          expect(oracle.errorOf(first.data, expected.first.value.data)).toBeLessThan(5e-6)
          expect(oracle.errorOf(second.data, expected.second.value.data)).toBeLessThan(5e-6)
          if (s.mask === "causal") {
            const above = first.data.filter((_, i) => i % s.n > Math.floor(i / s.n) % s.n)
            expect(above.every((p) => p === 0)).toBe(true)
          }
        }),
        runs(15)
      )
    })

    it("with the mask, later tokens do not change earlier outputs by a bit", () => {
      fc.assert(
        fc.property(setting, fc.nat(), (s, cut) => {
          const d = s.headDim * s.numHeads
          const seen = 1 + (cut % s.n)
          const inputs = inputsOf(s)
          const change = (x: oracle.F64) => oracle.mapArray((v, i) => (i < seen * d ? v : 7 - 3 * v), x)
          const changed = { ...inputs, q: change(inputs.q), k: change(inputs.k), v: change(inputs.v) }
          const early = (given: Inputs) => forwardOf(given, attend(s.numHeads, "causal")).data.slice(0, seen * d)
          expect(early(changed)).toEqual(early(inputs))
        }),
        runs(20)
      )
    })

    it("without a mask, tokens in another order give outputs in that order", () => {
      fc.assert(
        fc.property(setting, fc.nat(), (s, by) => {
          const order = Array.from({ length: s.n }, (_, i) => (i + by) % s.n).toReversed()
          const inputs = inputsOf(s)
          const moved = {
            ...inputs,
            q: reorder(inputs.q, order),
            k: reorder(inputs.k, order),
            v: reorder(inputs.v, order)
          }
          const out = forwardOf(inputs, attend(s.numHeads, "none"))
          const found = forwardOf(moved, attend(s.numHeads, "none"))
          // Sums over keys run in another order: a few roundings.
          expect(oracle.errorOf(found.data, reorder(out, order).data)).toBeLessThan(2e-6)
        }),
        runs(20)
      )
    })

    it("equal maps leave (1 - lambda) A v", () => {
      fc.assert(
        fc.property(setting, (s) => {
          const given = inputsOf(s)
          const inputs = { ...given, q: withEqualPairs(given.q, s.headDim), k: withEqualPairs(given.k, s.headDim) }
          const { out, first, second } = look(inputs, s.numHeads, s.mask)
          expect(second).toEqual(first)
          const v = oracle.splitHeads(oracle.constant(inputs.v), s.numHeads / 2)
          const attended = oracle.mergeHeads(oracle.matmul(oracle.constant(first), v))
          const expected = oracle.scale(attended, 1 - oracle.at(inputs.lambda.data, 0))
          expect(oracle.errorOf(out.data, expected.value.data)).toBeLessThan(2e-6)
        }),
        runs(20)
      )
    })

    it("lambda = 0 leaves the first map's attention, and the odd heads then do not matter by a bit", () => {
      fc.assert(
        fc.property(setting, (s) => {
          const inputs = { ...inputsOf(s), lambda: oracle.scalar(0) }
          const { out, first } = look(inputs, s.numHeads, s.mask)
          const v = oracle.splitHeads(oracle.constant(inputs.v), s.numHeads / 2)
          const expected = oracle.mergeHeads(oracle.matmul(oracle.constant(first), v))
          expect(oracle.errorOf(out.data, expected.value.data)).toBeLessThan(2e-6)
          const isOdd = (i: number) => Math.floor(i / s.headDim) % 2 === 1
          const q = oracle.mapArray((x, i) => (isOdd(i) ? 3 - x : x), inputs.q)
          expect(forwardOf({ ...inputs, q }, attend(s.numHeads, s.mask))).toEqual(out)
        }),
        runs(20)
      )
    })

    it("is linear in v", () => {
      fc.assert(
        fc.property(setting, (s) => {
          const inputs = inputsOf(s)
          const other = noise(s.seed, "other", inputs.v.shape)
          const at = (v: oracle.F64) => forwardOf({ ...inputs, v }, attend(s.numHeads, s.mask)).data
          const mixed = oracle.mapArray((x, i) => Math.fround(2 * x - 0.5 * oracle.at(other.data, i)), inputs.v)
          const [a, b] = [at(inputs.v), at(other)]
          expect(oracle.errorOf(at(mixed), a.map((x, i) => 2 * x - 0.5 * oracle.at(b, i)))).toBeLessThan(2e-6)
        }),
        runs(20)
      )
    })

    it("pairs heads as 2j and 2j + 1, and head j owns features 2 Dh j of v: other columns do not reach it", () => {
      const s = { seed: 3, n: 4, headDim: 3, numHeads: 4 }
      const inputs = inputsOf(s)
      const out = forwardOf(inputs, attend(4, "none"))
      const change = (x: oracle.F64) => oracle.mapArray((v, i) => (i % 12 >= 6 ? v + 1 + (i % 5) : v), x)
      const changed = { ...inputs, q: change(inputs.q), k: change(inputs.k), v: change(inputs.v) }
      const found = forwardOf(changed, attend(4, "none"))
      const firstHalf = (x: oracle.F64) => x.data.filter((_, i) => i % 12 < 6)
      expect(firstHalf(found)).toEqual(firstHalf(out))
      expect(found).not.toEqual(out)
    })

    describe("NaN and infinity, without a mask", () => {
      const s = { seed: 9, n: 5, headDim: 3, numHeads: 4 }
      const d = 12
      const inputs = inputsOf(s)
      const spoil = (x: oracle.F64, place: number, bad: number) => oracle.mapArray((v, i) => (i === place ? bad : v), x)
      const nanPlaces = (x: oracle.F64) => Array.from(x.data.keys()).filter((i) => Number.isNaN(x.data[i]))
      const places = (test: (token: number, feature: number) => boolean) =>
        Array.from({ length: 5 * d }, (_, i) => i).filter((i) => test(Math.floor(i / d), i % d))
      const clean = () => forwardOf(inputs, attend(4, "none"))
      const expectOnly = (found: oracle.F64, spoilt: ReadonlyArray<number>) => {
        expect(nanPlaces(found)).toEqual(spoilt)
        const before = clean()
        found.data.forEach((y, i) => {
          if (!spoilt.includes(i)) expect(y).toBe(before.data[i])
        })
      }

      it.each([NaN, Infinity])(
        "%s in a query spoils that token's output in that pair of heads and nothing else",
        (bad) => {
          // Token 2, feature 7: head 2, so the second pair, features 6 to 11.
          const found = forwardOf({ ...inputs, q: spoil(inputs.q, 2 * d + 7, bad) }, attend(4, "none"))
          expectOnly(found, places((token, feature) => token === 2 && feature >= 6))
        }
      )

      it("NaN in a key spoils every token's output in that pair of heads", () => {
        const found = forwardOf({ ...inputs, k: spoil(inputs.k, 2 * d + 7, NaN) }, attend(4, "none"))
        expectOnly(found, places((_, feature) => feature >= 6))
      })

      it.each([NaN, Infinity])("%s in a value reaches every token, in its own feature only", (bad) => {
        const found = forwardOf({ ...inputs, v: spoil(inputs.v, 2 * d + 7, bad) }, attend(4, "none"))
        const spoilt = places((_, feature) => feature === 7)
        for (const i of spoilt) expect(Number.isFinite(found.data[i])).toBe(false)
        const before = clean()
        found.data.forEach((y, i) => {
          if (!spoilt.includes(i)) expect(y).toBe(before.data[i])
        })
      })

      it("NaN as lambda spoils everything", () => {
        const found = forwardOf({ ...inputs, lambda: oracle.scalar(NaN) }, attend(4, "none"))
        expect(nanPlaces(found).length).toBe(5 * d)
      })
    })

    it("with the mask, NaN in a query still spoils its token alone", () => {
      const s = { seed: 9, n: 5, headDim: 3, numHeads: 2 }
      const inputs = inputsOf(s)
      const q = oracle.mapArray((v, i) => (i === 2 * 6 ? NaN : v), inputs.q)
      const found = forwardOf({ ...inputs, q }, attend(2, "causal"))
      const before = forwardOf(inputs, attend(2, "causal"))
      found.data.forEach((y, i) => {
        if (Math.floor(i / 6) === 2) expect(y, `${engine} ${i}`).toBeNaN()
        else expect(y).toBe(before.data[i])
      })
    })

    it("refuses odd heads and operands of other shapes", () => {
      const right = [1, 3, 12]
      const call = (k: Shape, v: Shape, lambda: Shape, numHeads: number) => () =>
        ops.diffAttention(zeros(...right), zeros(...k), zeros(...v), zeros(...lambda), { numHeads, mask: "none" })
      const name = "diffAttention"
      expectShapeError(call(right, right, [], 3), name, "an even numHeads", "numHeads 3")
      expectShapeError(call(right, right, [], 8), name, "divides the width 12", "numHeads 8")
      expectShapeError(call([1, 4, 12], right, [], 2), name, "k of shape [1, 3, 12]", "[1, 4, 12]")
      expectShapeError(call(right, [1, 3, 6], [], 2), name, "v of shape [1, 3, 12]", "[1, 3, 6]")
      expectShapeError(call(right, right, [1], 2), name, "lambda of shape []", "[1]")
    })
  })
})
