import { describe, it } from "vitest"
import { patchifyForward } from "../../../../lib/ops/patchify.ts"
import { expectComposition, noise, useEngine } from "../engine.ts"

useEngine(2)

describe("patchify kernel", () => {
  it("equals its composition to the bit, for one patch, odd patches and one channel", () => {
    for (const [b, c, s, p] of [[1, 1, 1, 1], [2, 3, 8, 8], [2, 3, 9, 3], [1, 1, 6, 2], [32, 3, 32, 8]] as const) {
      expectComposition(patchifyForward, { images: noise("images", [b, c, s, s]) }, { patchSize: p }, 0)
    }
  })
})
