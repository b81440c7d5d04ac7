import * as tf from "@tensorflow/tfjs-core"
import * as fc from "fast-check"
import { expect, it } from "vitest"
import * as ops from "../../lib/ops/index.ts"
import { ShapeError, value } from "../../lib/tensor/index.ts"
import { onEachEngine, runs } from "../engines.ts"
import * as oracle from "../reference/index.ts"
import { expectOracle, noise } from "./against.ts"

onEachEngine(() => {
  it("output and gradients", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 70 }), fc.constantFrom(0.1, 0.5), (seed, width, std) => {
        const vector = (name: string) => noise(seed, name, [width], std)
        expectOracle({
          inputs: { q1: vector("q1"), k1: vector("k1"), q2: vector("q2"), k2: vector("k2") },
          ours: (p) => ops.lambda(p.q1, p.k1, p.q2, p.k2, 0.8),
          oracle: (p) => oracle.lambdaOf(p, 0.8),
          limits: { out: 5e-6, grad: 5e-6 } // a float32 sum of at most 70 products goes through exp
        })
      }),
      runs(25)
    )
  })

  it("vectors of different widths are refused", () => {
    const [two, three] = [value(tf.ones([2])), value(tf.ones([3]))]
    expect(() => ops.lambda(two, two, two, three, 0.8)).toThrow(ShapeError)
    tf.dispose([two.tensor, three.tensor])
  })
})
