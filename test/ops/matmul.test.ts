import * as fc from "fast-check"
import { describe, it } from "vitest"
import * as ops from "../../lib/ops/index.ts"
import { onEachEngine, runs } from "../engines.ts"
import * as oracle from "../reference/index.ts"
import { expectOracle, expectShapeError, noise, zeros } from "./against.ts"

const size = fc.integer({ min: 1, max: 19 })

describe("matmul", () => {
  onEachEngine(() => {
    it("x @ b over the last axis, whatever axes stand before it", () => {
      fc.assert(
        fc.property(fc.nat(), fc.array(size, { maxLength: 2 }), size, size, (seed, lead, k, m) => {
          const rows = lead.length === 0 ? [1] : lead.map((dim) => Math.min(dim, 5))
          expectOracle({
            inputs: { x: noise(seed, "x", [...rows, k]), b: noise(seed, "b", [k, m]) },
            ours: (p) => ops.matmul(p.x, p.b),
            oracle: (p) => oracle.matmul(p.x, p.b)
          })
        }),
        runs(25)
      )
    })

    it("linear is x weight^T + bias with the bias's gradient summed over rows", () => {
      fc.assert(
        fc.property(fc.nat(), size, size, size, (seed, rows, k, m) =>
          expectOracle({
            inputs: {
              x: noise(seed, "x", [2, rows, k]),
              weight: noise(seed, "weight", [m, k]),
              bias: noise(seed, "bias", [m])
            },
            ours: (p) => ops.linear(p.x, p.weight, p.bias),
            oracle: (p) => oracle.linear(p.x, p.weight, p.bias)
          })),
        runs(25)
      )
    })

    it("large odd sizes, where a kernel works in blocks and has rests", () => {
      expectOracle({
        inputs: { x: noise(1, "x", [67, 131]), weight: noise(1, "w", [197, 131]), bias: noise(1, "b", [197]) },
        ours: (p) => ops.linear(p.x, p.weight, p.bias),
        oracle: (p) => oracle.linear(p.x, p.weight, p.bias)
      })
    })

    it("refuses sides that do not fit", () => {
      expectShapeError(() => ops.matmul(zeros(2, 3), zeros(4, 5)), "matmul", "[3, any]", "[4, 5]")
      expectShapeError(() => ops.matmul(zeros(2, 3), zeros(3)), "matmul", "[3, any]", "[3]")
      expectShapeError(() => ops.linear(zeros(2, 3), zeros(3, 2), zeros(3)), "linear", "[any, 3]", "[3, 2]")
      expectShapeError(() => ops.linear(zeros(2, 3), zeros(4, 3), zeros(3)), "linear", "bias of shape [4]", "[3]")
    })
  })
})
