import { describe, expect, it } from "vitest"
import { rmsNormBackward, rmsNormForward } from "../../lib/ops/rmsNorm.ts"
import { byComposition, byKernel, expectAgreement, normals } from "./compare.ts"

/** An odd width, and the heads of ViT-B/16 in several chunks of rows. */
const SIZES = [[1, 15], [31, 15], [300, 128]] as const
const attrs = { eps: 1e-5, scale: 0.2 }

const given = (rows: number, cols: number) => ({ x: normals("x", [rows, cols], 2), gamma: normals("gamma", [cols]) })

const backward = (rows: number, cols: number) => {
  const { rstd } = byComposition(rmsNormForward, given(rows, cols), attrs)
  return { ...given(rows, cols), dy: normals("dy", [rows, cols]), rstd: { shape: [rows], values: rstd } }
}

describe("RMS norm on WebGPU", () => {
  it("agrees with the composition, the constant factor included", async () => {
    for (const [rows, cols] of SIZES) await expectAgreement(rmsNormForward, given(rows, cols), attrs, 1e-6)
  })

  it("its gradients agree, and repeat bit for bit", async () => {
    for (const [rows, cols] of SIZES) {
      const inputs = backward(rows, cols)
      const first = await expectAgreement(rmsNormBackward, inputs, { scale: 0.2 }, 1e-6)
      expect(await byKernel(rmsNormBackward, inputs, { scale: 0.2 })).toEqual(first)
    }
  })

  it("a NaN shows where it does in the composition; rows of zeros are zeros", async () => {
    const inputs = backward(31, 15)
    inputs.x.values.fill(0, 0, 15)
    inputs.x.values[20] = Number.NaN
    const { y } = await expectAgreement(rmsNormForward, { x: inputs.x, gamma: inputs.gamma }, attrs, 1e-6)
    expect(y.slice(0, 15).every((value) => value === 0)).toBe(true)
    await expectAgreement(rmsNormBackward, inputs, { scale: 0.2 }, 1e-6)
  })
})
