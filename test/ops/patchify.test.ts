import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as ops from "../../lib/ops/index.ts"
import { valueAndGrad } from "../../lib/tensor/index.ts"
import { onEachEngine, runs } from "../engines.ts"
import * as oracle from "../reference/index.ts"
import { expectShapeError, forwardOf, noise, zeros } from "./against.ts"

describe("patchify", () => {
  onEachEngine(() => {
    it("cuts patches row by row, each in the order of a convolution's weight, without rounding", () => {
      const small = fc.integer({ min: 1, max: 4 })
      fc.assert(
        fc.property(fc.nat(), small, small, small, fc.integer({ min: 1, max: 7 }), (seed, b, c, grid, p) => {
          const images = noise(seed, "images", [b, c, grid * p, grid * p])
          const found = forwardOf({ images }, (given) => ops.patchify(given.images, p))
          expect(found).toEqual(oracle.patchesOf(oracle.constant(images), p).value)
        }),
        runs(25)
      )
    })

    it("refuses images that are not square or that patches do not tile", () => {
      expectShapeError(() => ops.patchify(zeros(1, 3, 4, 6), 2), "patchify", "[B, C, S, S]", "[1, 3, 4, 6]")
      expectShapeError(() => ops.patchify(zeros(1, 3, 5, 5), 2), "patchify", "a multiple of 2", "[1, 3, 5, 5]")
      expectShapeError(() => ops.patchify(zeros(3, 4, 4), 2), "patchify", "[B, C, S, S]", "[3, 4, 4]")
    })

    it("says that images have no gradient instead of giving a wrong one, and leaves no tensor", () => {
      const images = zeros(1, 1, 2, 2)
      expect(() => valueAndGrad({ images }, (p) => ops.sum(ops.patchify(p.images, 1)))).toThrow("not defined")
      images.tensor.dispose()
    })
  })
})
