import * as tf from "@tensorflow/tfjs-core"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { attention, block, mlp } from "../../lib/nn/index.ts"
import type { Value } from "../../lib/tensor/index.ts"
import { onEachEngine, runs } from "../engines.ts"
import { expectOracle, mapNamed, type Named, noise } from "../ops/against.ts"
import * as oracle from "../reference/index.ts"

const shapesOf = (n: number, d: number) => ({
  x: [2, n, d],
  qkvWeight: [3 * d, d],
  qkvBias: [3 * d],
  outWeight: [d, d],
  outBias: [d],
  norm1Weight: [d],
  norm1Bias: [d],
  norm2Weight: [d],
  norm2Bias: [d],
  fc1Weight: [4 * d, d],
  fc1Bias: [4 * d],
  fc2Weight: [d, 4 * d],
  fc2Bias: [d]
})
type Name = keyof ReturnType<typeof shapesOf>

const inputsOf = (seed: number, n: number, d: number): Named<Name, oracle.F64> =>
  mapNamed<Name, ReadonlyArray<number>, oracle.F64>(
    shapesOf(n, d),
    (shape, name) => noise(seed, name, shape, name === "x" ? 1 : (shape.at(-1) ?? 1) ** -0.5)
  )

const numHeads = 3

const ours = (mask: "none" | "causal", activation: "gelu" | "quickGelu") => (p: Named<Name, Value>): Value =>
  block(attention({ numHeads, mask }), activation, 1e-5)({
    norm1: { weight: p.norm1Weight, bias: p.norm1Bias },
    attn: { qkv: { weight: p.qkvWeight, bias: p.qkvBias }, out: { weight: p.outWeight, bias: p.outBias } },
    norm2: { weight: p.norm2Weight, bias: p.norm2Bias },
    mlp: { fc1: { weight: p.fc1Weight, bias: p.fc1Bias }, fc2: { weight: p.fc2Weight, bias: p.fc2Bias } }
  }, p.x)

const theirs =
  (mask: "none" | "causal", activation: "gelu" | "quickGelu") => (p: Named<Name, oracle.Node>): oracle.Node => {
    const normed = oracle.layerNorm(p.x, p.norm1Weight, p.norm1Bias, 1e-5)
    const packed = { weight: p.qkvWeight, bias: p.qkvBias }
    const { out } = oracle.packedAttention(normed, packed, { numHeads, causal: mask === "causal" })
    const h = oracle.add(p.x, oracle.linear(out, p.outWeight, p.outBias))
    const hidden = oracle.linear(oracle.layerNorm(h, p.norm2Weight, p.norm2Bias, 1e-5), p.fc1Weight, p.fc1Bias)
    const active = activation === "gelu" ? oracle.gelu(hidden) : oracle.quickGelu(hidden)
    return oracle.add(h, oracle.linear(active, p.fc2Weight, p.fc2Bias))
  }

describe("block", () => {
  onEachEngine(() => {
    it.each([["none", "gelu"], ["causal", "quickGelu"]] as const)(
      "with packed attention (mask %s) and %s: output and all 13 gradients are the oracle's",
      (mask, activation) => {
        fc.assert(
          fc.property(fc.nat(), fc.constantFrom(1, 4, 7), fc.constantFrom(3, 5), (seed, n, headDim) =>
            expectOracle({
              inputs: inputsOf(seed, n, numHeads * headDim),
              ours: ours(mask, activation),
              oracle: theirs(mask, activation),
              // Random norm weights near 0.3 and two norms on the way: some ten times a single operation's error.
              limits: { out: 2e-5, grad: 3e-4 }
            })),
          runs(8)
        )
      }
    )

    it("the two activations are two functions", () => {
      const shapes = { x: [1, 2], fc1Weight: [8, 2], fc1Bias: [8], fc2Weight: [2, 8], fc2Bias: [2] }
      const inputs = mapNamed(shapes, (shape: ReadonlyArray<number>, name) => noise(1, name, shape))
      for (const activation of ["gelu", "quickGelu"] as const) {
        expectOracle({
          inputs,
          ours: (p) =>
            mlp(activation)({
              fc1: { weight: p.fc1Weight, bias: p.fc1Bias },
              fc2: { weight: p.fc2Weight, bias: p.fc2Bias }
            }, p.x),
          oracle: (p) =>
            oracle.linear(oracle[activation](oracle.linear(p.x, p.fc1Weight, p.fc1Bias)), p.fc2Weight, p.fc2Bias)
        })
      }
      expect(tf.memory().numTensors).toBe(0)
    })
  })
})
