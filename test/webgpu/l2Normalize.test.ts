import { describe, expect, it } from "vitest"
import { l2NormalizeBackward, l2NormalizeForward } from "../../lib/ops/l2Normalize.ts"
import { expectAgreement, normals } from "./compare.ts"

describe("L2 normalization on WebGPU", () => {
  it("agrees with the composition, forward and backward", async () => {
    for (const [rows, cols] of [[1, 1], [17, 7], [33, 512]] as const) {
      const { y, norm } = await expectAgreement(l2NormalizeForward, { x: normals("x", [rows, cols]) }, {}, 1e-6)
      const inputs = {
        dy: normals("dy", [rows, cols]),
        y: { shape: [rows, cols], values: y },
        norm: { shape: [rows], values: norm }
      }
      await expectAgreement(l2NormalizeBackward, inputs, {}, 1e-6)
    }
  })

  it("a row of zeros stays zeros by the floor, and a NaN shows in its row", async () => {
    const x = normals("x", [17, 7])
    x.values.fill(0, 7, 14)
    x.values[20] = Number.NaN
    const { y, norm } = await expectAgreement(l2NormalizeForward, { x }, {}, 1e-6)
    expect(y.slice(7, 14)).toEqual(new Float32Array(7))
    expect(norm[1]).toBe(Math.fround(1e-12))
    expect(y.slice(14, 21).every(Number.isNaN)).toBe(true)
  })
})
