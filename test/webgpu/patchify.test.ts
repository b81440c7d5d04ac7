import { describe, it } from "vitest"
import { patchifyForward } from "../../lib/ops/patchify.ts"
import { expectAgreement, normals } from "./compare.ts"

describe("patchify on WebGPU", () => {
  it("moves every pixel to its place: patches of whole fours and others, one channel and three", async () => {
    for (
      const [shape, patchSize] of [[[2, 3, 32, 32], 8], [[1, 1, 9, 9], 3], [[3, 3, 4, 4], 4], [
        [1, 2, 5, 5],
        1
      ]] as const
    ) {
      await expectAgreement(patchifyForward, { images: normals("images", shape) }, { patchSize }, 0)
    }
  })
})
