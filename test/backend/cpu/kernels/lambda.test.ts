import { describe, it } from "vitest"
import { lambdaBackward, lambdaForward } from "../../../../lib/ops/lambda.ts"
import { expectComposition, noise, useEngine } from "../engine.ts"

useEngine(2)

describe("lambda kernel", () => {
  it("and its gradient equal their compositions, NaN included", () => {
    for (const width of [1, 6, 64]) {
      const vectors = Object.fromEntries(["q1", "k1", "q2", "k2"].map((name) => [name, noise(name, [width], 0.3)]))
      const { q1 = noise("", []), k1 = q1, q2 = q1, k2 = q1 } = vectors
      const first = { shape: [], values: [1.5] }, second = { shape: [], values: [0.7] }
      expectComposition(lambdaForward, { q1, k1, q2, k2 }, { lambdaInit: 0.8 })
      expectComposition(lambdaBackward, { dy: { shape: [], values: [-2] }, q1, k1, q2, k2, first, second }, {})
      const spoiled = { shape: [width], values: Array.from({ length: width }, () => NaN) }
      expectComposition(lambdaForward, { q1: spoiled, k1, q2, k2 }, { lambdaInit: 0.8 })
    }
  })
})
