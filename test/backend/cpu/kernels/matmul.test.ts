import { describe, it } from "vitest"
import { linearForward } from "../../../../lib/ops/matmul.ts"
import { expectComposition, noise, useEngine } from "../engine.ts"

useEngine(2)

describe("linear kernel", () => {
  it("equals its composition at odd sizes, one row, and sizes that the threads share", () => {
    for (const [r, k, m] of [[1, 1, 1], [1, 7, 5], [5, 13, 9], [130, 170, 90], [90, 600, 33]] as const) {
      expectComposition(linearForward, { x: noise("x", [r, k]), weight: noise("w", [m, k]), bias: noise("b", [m]) }, {})
    }
  })
})
