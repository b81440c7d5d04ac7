import { describe, expect, it } from "vitest"
import { lambdaBackward, lambdaForward } from "../../lib/ops/lambda.ts"
import { engine } from "./device.ts"
import { byKernel, expectAgreement, normals } from "./compare.ts"

const vectors = (width: number) => ({
  q1: normals("q1", [width], 0.1),
  k1: normals("k1", [width], 0.1),
  q2: normals("q2", [width], 0.1),
  k2: normals("k2", [width], 0.1)
})

describe("lambda on WebGPU", () => {
  it("agrees with the composition for vectors of any width, in one dispatch, and its gradients in two", async () => {
    const { gpu } = await engine()
    for (const width of [1, 6, 64, 300]) {
      const before = gpu.counters().dispatches
      const outputs = await expectAgreement(lambdaForward, vectors(width), { lambdaInit: 0.8 }, 1e-6)
      expect(gpu.counters().dispatches - before).toBe(1)
      const scalar = (values: Float32Array) => ({ shape: [], values })
      const inputs = { ...vectors(width), first: scalar(outputs.first), second: scalar(outputs.second) }
      await expectAgreement(lambdaBackward, { dy: normals("dy", []), ...inputs }, {}, 1e-6)
      expect(gpu.counters().dispatches - before).toBe(3)
    }
  })

  it("is lambdaInit for vectors of zeros", async () => {
    const zeros = { shape: [8], values: new Float32Array(8) }
    const { lambda, first } = await byKernel(lambdaForward, { q1: zeros, k1: zeros, q2: zeros, k2: zeros }, {
      lambdaInit: 0.8
    })
    expect([lambda[0], first[0]]).toEqual([Math.fround(0.8), 1])
  })
})
