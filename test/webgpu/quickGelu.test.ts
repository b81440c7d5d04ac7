import { describe, expect, it } from "vitest"
import { quickGeluBackward, quickGeluForward } from "../../lib/ops/quickGelu.ts"
import { byKernel, expectAgreement, normals } from "./compare.ts"

describe("QuickGELU on WebGPU", () => {
  it("agrees with the composition at sizes of whole fours and others, of any shape", async () => {
    for (const shape of [[1], [3, 5, 7], [2, 3, 172]]) {
      await expectAgreement(quickGeluForward, { x: normals("x", shape, 3) }, {}, 5e-7)
      await expectAgreement(quickGeluBackward, { x: normals("x", shape, 3), dy: normals("dy", shape) }, {}, 1e-6)
    }
  })

  it("far out it is x or 0, and a NaN stays one", async () => {
    const x = { shape: [4], values: Float32Array.of(Number.NaN, 1000, -1000, 0) }
    const { y } = await byKernel(quickGeluForward, { x }, {})
    expect([...y].map(Math.abs)).toEqual([Number.NaN, 1000, 0, 0])
    const dy = { shape: [4], values: Float32Array.of(1, 1, 1, 1) }
    const { dx } = await byKernel(quickGeluBackward, { dy, x }, {})
    expect([...dx].map(Math.abs)).toEqual([Number.NaN, 1, 0, 0.5])
  })
})
