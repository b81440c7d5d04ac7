import { describe, expect, it } from "vitest"
import { leastLimits } from "../../../lib/backend/webgpu/limits.ts"
import { code, hasFittingConfig, plan } from "../../../lib/backend/webgpu/kernels/subgroupGemm.ts"
import { wgslOf } from "../../../lib/backend/webgpu/shader.ts"

const FEATURES = ["shader-f16", "subgroups", "chromium-experimental-subgroup-matrix"]

/** Dawn without a driver: it compiles everything and computes nothing. */
const nullDevice = async (): Promise<GPUDevice> => {
  const { create, globals } = await import("webgpu")
  Object.assign(globalThis, globals)
  const gpu: GPU = create(["backend=null", "enable-dawn-features=allow_unsafe_apis"])
  const adapter = await gpu.requestAdapter()
  if (adapter === null) throw new Error("Dawn's null backend gave no adapter")
  const wanted = [...adapter.features].filter((feature) => FEATURES.includes(feature))
  expect(wanted.length).toBe(FEATURES.length)
  return adapter.requestDevice({ requiredFeatures: wanted as Array<GPUFeatureName> })
}

const plain = { bias: false, residual: false, pre: false, activation: "none" } as const

describe("a product on matrix units", () => {
  it("compiles in each order, with and without an epilogue", async () => {
    const device = await nullDevice()
    for (const [aIsT, bIsT] of [[false, true], [false, false], [true, false], [true, true]] as const) {
      for (const extras of [plain, { bias: true, residual: true, pre: true, activation: "gelu" } as const]) {
        device.pushErrorScope("validation")
        const module = device.createShaderModule({ code: wgslOf(code({ ...extras, aIsT, bIsT, subgroup: 32 })) })
        const { messages } = await module.getCompilationInfo()
        expect(messages.map(({ type, lineNum, message }) => `${type} ${lineNum}: ${message}`)).toEqual([])
        expect((await device.popErrorScope())?.message).toBeUndefined()
      }
    }
  })

  it("is for adapters that multiply 16 x 16 halves with sums in 32 bits, and software reports none", () => {
    const config = { componentType: "f16", resultComponentType: "f32", M: 16, N: 16, K: 16 }
    expect(hasFittingConfig([{ ...config, N: 8 }, config])).toBe(true)
    expect(hasFittingConfig([{ ...config, resultComponentType: "f16" }])).toBe(false)
    expect(hasFittingConfig([])).toBe(false)
  })

  it("has a workgroup for each 64 x 64 numbers", () => {
    expect(plan({ m: 65, n: 197, k: 3 }, leastLimits)).toMatchObject({
      groups: [8, 1, 1],
      uniforms: { down: 2, count: 8 }
    })
  })
})
