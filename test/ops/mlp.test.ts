import * as fc from "fast-check"
import { describe, it } from "vitest"
import * as ops from "../../lib/ops/index.ts"
import { onEachEngine, runs } from "../engines.ts"
import * as oracle from "../reference/index.ts"
import { expectOracle, expectShapeError, noise, zeros } from "./against.ts"

const size = fc.integer({ min: 1, max: 19 })

describe("mlp", () => {
  onEachEngine(() => {
    it("is fc2(activation(fc1(x))) with the gradients of all five inputs", () => {
      const activations = fc.constantFrom("gelu", "quickGelu")
      fc.assert(
        fc.property(
          fc.nat(),
          activations,
          size,
          size,
          size,
          size,
          (seed, activation, rows, k, hidden, m) =>
            expectOracle({
              inputs: {
                x: noise(seed, "x", [2, rows, k]),
                w1: noise(seed, "w1", [hidden, k]),
                b1: noise(seed, "b1", [hidden]),
                w2: noise(seed, "w2", [m, hidden]),
                b2: noise(seed, "b2", [m])
              },
              ours: (p) => ops.mlp(p.x, { weight: p.w1, bias: p.b1 }, { weight: p.w2, bias: p.b2 }, activation),
              oracle: (p) => oracle.linear(oracle[activation](oracle.linear(p.x, p.w1, p.b1)), p.w2, p.b2)
            })
        ),
        runs(25)
      )
    })

    it("refuses layers that do not follow each other", () => {
      const layer = (out: number, width: number, bias = out) => ({ weight: zeros(out, width), bias: zeros(bias) })
      expectShapeError(() => ops.mlp(zeros(2, 3), layer(4, 5), layer(3, 4), "gelu"), "mlp", "[any, 3]", "[4, 5]")
      expectShapeError(() => ops.mlp(zeros(2, 3), layer(4, 3), layer(3, 5), "gelu"), "mlp", "[any, 4]", "[3, 5]")
      expectShapeError(
        () => ops.mlp(zeros(2, 3), layer(4, 3, 5), layer(3, 4), "gelu"),
        "mlp",
        "bias of shape [4]",
        "[5]"
      )
    })
  })
})
