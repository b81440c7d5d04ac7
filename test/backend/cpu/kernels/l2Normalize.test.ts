import { describe, it } from "vitest"
import { l2NormalizeBackward, l2NormalizeForward } from "../../../../lib/ops/l2Normalize.ts"
import { expectComposition, noise, type Numbers, useEngine } from "../engine.ts"

useEngine(2)

const check = (x: Numbers): void => {
  const { y, norm } = expectComposition(l2NormalizeForward, { x }, {})
  if (y === undefined || norm === undefined) throw new Error("no outputs")
  expectComposition(l2NormalizeBackward, { dy: noise("dy", x.shape), y, norm }, {})
}

describe("l2Normalize kernel", () => {
  it("and its gradient equal their compositions", () => {
    for (const shape of [[1, 1], [3, 7], [300, 140]]) check(noise("x", shape))
  })

  it("a row of zeros stays zeros and NaN stays in its row", () => {
    expectComposition(l2NormalizeForward, { x: { shape: [3, 2], values: [0, 0, NaN, 1, 3, 4] } }, {})
  })
})
