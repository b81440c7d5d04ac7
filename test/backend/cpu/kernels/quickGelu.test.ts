import { describe, it } from "vitest"
import { quickGeluBackward, quickGeluForward } from "../../../../lib/ops/quickGelu.ts"
import { expectComposition, noise, useEngine } from "../engine.ts"

useEngine(2)

describe("quickGelu kernel", () => {
  it("and its gradient equal their compositions, NaN included", () => {
    for (const shape of [[1], [3, 5], [130, 70]]) {
      const x = noise("x", shape, 3)
      expectComposition(quickGeluForward, { x }, {})
      expectComposition(quickGeluBackward, { dy: noise("dy", shape), x }, {})
    }
    const x = { shape: [5], values: [NaN, 1, -1, 30, -30] }
    expectComposition(quickGeluForward, { x }, {})
    expectComposition(quickGeluBackward, { dy: noise("dy", [5]), x }, {})
  })
})
