import { describe, expect, it } from "vitest"
import { firstMaximaForward } from "../../lib/ops/firstMaxima.ts"
import { byKernel, expectAgreement, integers, normals } from "./compare.ts"

describe("firstMaxima on WebGPU", () => {
  it("is the first of equal maxima, of whole numbers and of others, in rows of any width", async () => {
    for (const [rows, cols] of [[1, 1], [5, 7], [17, 33], [3, 77]] as const) {
      const ids = Array.from({ length: rows * cols }, (_, i) => (i * 7919) % 11 - 20)
      await expectAgreement(firstMaximaForward, { x: integers([rows, cols], ids) }, {}, 0)
      await expectAgreement(firstMaximaForward, { x: { shape: [rows, cols], values: Float32Array.from(ids) } }, {}, 0)
    }
    await expectAgreement(firstMaximaForward, { x: normals("x", [9, 50]) }, {}, 0)
  })

  it("whole numbers above 2^24 are told apart, and -Infinity everywhere gives column 0", async () => {
    const x = integers([2, 3], [16_777_216, 16_777_217, 16_777_216, 49_406, 49_407, 0])
    expect((await byKernel(firstMaximaForward, { x }, {})).y).toEqual(Float32Array.of(1, 4))
    const least = { shape: [2, 3], values: new Float32Array(6).fill(-Infinity) }
    expect((await byKernel(firstMaximaForward, { x: least }, {})).y).toEqual(Float32Array.of(0, 3))
  })
})
