import { describe, it } from "vitest"
import { firstMaximaForward } from "../../../../lib/ops/firstMaxima.ts"
import { expectComposition, noise, useEngine } from "../engine.ts"
import { numbersOf } from "../stock/compare.ts"

useEngine(2)

describe("firstMaxima kernel", () => {
  it("equals its composition for both types, ties and NaN included", () => {
    for (const shape of [[1, 1], [3, 7], [400, 200]]) {
      expectComposition(firstMaximaForward, { x: noise("x", shape) }, {})
      expectComposition(firstMaximaForward, { x: numbersOf("x", shape, "int32") }, {})
    }
    expectComposition(firstMaximaForward, { x: { shape: [2, 3], values: [1, NaN, 2, NaN, 1, 2] } }, {})
  })
})
