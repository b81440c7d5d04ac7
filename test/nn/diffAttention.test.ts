import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { diffAttention } from "../../lib/nn/index.ts"
import type { Value } from "../../lib/tensor/index.ts"
import { onEachEngine, runs } from "../engines.ts"
import {
  differentiate,
  expectOracle,
  expectShapeError,
  forwardOf,
  mapNamed,
  type Named,
  noise,
  zeros
} from "../ops/against.ts"
import * as oracle from "../reference/index.ts"

const shapesOf = (batch: number, n: number, numHeads: number, headDim: number) => {
  const d = numHeads * headDim
  return {
    x: [batch, n, d],
    q1: [headDim],
    k1: [headDim],
    q2: [headDim],
    k2: [headDim],
    qWeight: [d, d],
    qBias: [d],
    kWeight: [d, d],
    kBias: [d],
    vWeight: [d, d],
    vBias: [d],
    outWeight: [d, d],
    outBias: [d],
    subNorm: [2 * headDim]
  }
}
type Name = keyof ReturnType<typeof shapesOf>
type Inputs = Named<Name, oracle.F64>

const inputsOf = (seed: number, shapes: ReturnType<typeof shapesOf>, std = 1): Inputs => {
  const spread = (name: string, shape: ReadonlyArray<number>): number =>
    name === "x" ? std : /^[qk][12]$/.test(name) ? 0.3 : name === "subNorm" ? 1 : (shape.at(-1) ?? 1) ** -0.5
  return mapNamed<Name, ReadonlyArray<number>, oracle.F64>(
    shapes,
    (shape, name) => noise(seed, name, shape, spread(name, shape))
  )
}

interface Options {
  readonly numHeads: number
  readonly mask: "none" | "causal"
  readonly lambdaInit: number
}

const ours = (options: Options) => (p: Named<Name, Value>): Value =>
  diffAttention(options)({
    lambda: { q1: p.q1, k1: p.k1, q2: p.q2, k2: p.k2 },
    q: { weight: p.qWeight, bias: p.qBias },
    k: { weight: p.kWeight, bias: p.kBias },
    v: { weight: p.vWeight, bias: p.vBias },
    out: { weight: p.outWeight, bias: p.outBias },
    subNorm: p.subNorm
  }, p.x)

const officialName: Readonly<Record<string, Name>> = {
  "q_proj.weight": "qWeight",
  "q_proj.bias": "qBias",
  "k_proj.weight": "kWeight",
  "k_proj.bias": "kBias",
  "v_proj.weight": "vWeight",
  "v_proj.bias": "vBias",
  "out_proj.weight": "outWeight",
  "out_proj.bias": "outBias",
  "diff_norm.weight": "subNorm",
  lambda_q1: "q1",
  lambda_k1: "k1",
  lambda_q2: "q2",
  lambda_k2: "k2"
}

const theirs = ({ numHeads, mask, lambdaInit }: Options) => (p: Named<Name, oracle.Node>): oracle.Node => {
  const parameter = (name: string): oracle.Node => {
    const own = officialName[name]
    if (own === undefined) throw new RangeError(`no parameter ${name}`)
    return p[own]
  }
  return oracle.diffAttentionModule(p.x, parameter, { numHeads, causal: mask === "causal", lambdaInit }).out
}

const setting = fc.record({
  seed: fc.nat(),
  n: fc.constantFrom(1, 2, 5, 9),
  headDim: fc.constantFrom(3, 5, 8),
  numHeads: fc.constantFrom(2, 4),
  mask: fc.constantFrom<Options["mask"]>("none", "causal"),
  lambdaInit: fc.constantFrom(0.2, 0.8)
})

describe("diffAttention module", () => {
  onEachEngine(() => {
    it("output and all 14 gradients are the oracle's", () => {
      fc.assert(
        fc.property(setting, ({ seed, n, headDim, ...options }) =>
          expectOracle({
            inputs: inputsOf(seed, shapesOf(2, n, options.numHeads, headDim)),
            ours: ours(options),
            oracle: theirs(options),
            // The sub-norm divides by the size of each head's output, which may be small: gradients grow with it.
            limits: { out: 2e-5, grad: 5e-4 }
          })),
        runs(15)
      )
    })

    it("the factor after the sub-norm is the constant 1 - lambdaInit, not 1 - lambda", () => {
      const inputs = { ...inputsOf(1, shapesOf(1, 3, 2, 3)), outBias: oracle.zeros([6]) }
      const run = (lambdaInit: number) => forwardOf(inputs, ours({ numHeads: 2, mask: "none", lambdaInit }))
      expect(Math.max(...run(1).data.map(Math.abs))).toBe(0)
    })

    it("key biases have no gradient: a constant added to a row of scores changes no softmax", () => {
      const inputs = inputsOf(2, shapesOf(2, 5, 4, 3))
      const options: Options = { numHeads: 4, mask: "none", lambdaInit: 0.8 }
      const { grads } = differentiate(inputs, ours(options), (shape) => noise(7, "g", shape))
      expect(Math.max(...grads.kBias.data.map(Math.abs))).toBeLessThan(2e-5)
    })

    it("with the mask, earlier tokens do not see later ones by a bit, sub-norm and projections included", () => {
      fc.assert(
        fc.property(setting, fc.nat(), ({ seed, n, headDim, ...options }, cut) => {
          const d = options.numHeads * headDim
          const seen = 1 + (cut % n)
          const inputs = inputsOf(seed, shapesOf(1, n, options.numHeads, headDim))
          const x = oracle.mapArray((v, i) => (i < seen * d ? v : 5 - 2 * v), inputs.x)
          const early = (given: Inputs) =>
            forwardOf(given, ours({ ...options, mask: "causal" })).data.slice(0, seen * d)
          expect(early({ ...inputs, x })).toEqual(early(inputs))
        }),
        runs(12)
      )
    })

    it("without a mask, tokens in reverse order give outputs in reverse order", () => {
      const options: Options = { numHeads: 4, mask: "none", lambdaInit: 0.8 }
      const inputs = inputsOf(6, shapesOf(1, 7, 4, 3))
      const reverse = (x: oracle.F64) =>
        oracle.mapArray((_, i) => oracle.at(x.data, (6 - Math.floor(i / 12)) * 12 + (i % 12)), x)
      const found = forwardOf({ ...inputs, x: reverse(inputs.x) }, ours(options))
      expect(oracle.errorOf(found.data, reverse(forwardOf(inputs, ours(options))).data)).toBeLessThan(1e-5)
    })

    it("NaN in one picture of a batch leaves the others as they are", () => {
      const options: Options = { numHeads: 2, mask: "none", lambdaInit: 0.8 }
      const inputs = inputsOf(6, shapesOf(3, 4, 2, 3))
      const x = oracle.mapArray((v, i) => (i === 24 + 5 ? NaN : v), inputs.x)
      const [found, clean] = [forwardOf({ ...inputs, x }, ours(options)), forwardOf(inputs, ours(options))]
      expect(found.data.slice(24, 48).every(Number.isNaN)).toBe(true)
      expect(found.data.slice(0, 24)).toEqual(clean.data.slice(0, 24))
      expect(found.data.slice(48)).toEqual(clean.data.slice(48))
    })

    it("refuses an odd number of heads", () => {
      const options: Options = { numHeads: 3, mask: "none", lambdaInit: 0.8 }
      const call = () =>
        ours(options)(mapNamed<Name, ReadonlyArray<number>, Value>(shapesOf(1, 2, 3, 2), (shape) => zeros(...shape)))
      expectShapeError(call, "diffAttention", "an even numHeads", "numHeads 3")
    })
  })
})
