import { describe, expect, it } from "vitest"
import { isSoftware, nameOf } from "../../../lib/backend/webgpu/adapter.ts"

const swiftShader = { vendor: "6880", architecture: "", device: "49374", description: "SwiftShader Device (Subzero)" }
const lavapipe = { vendor: "mesa", architecture: "", device: "", description: "llvmpipe (LLVM 15.0.6, 256 bits)" }
const warp = { vendor: "microsoft", architecture: "", device: "", description: "Microsoft Basic Render Driver" }
const chromeOnH100 = { vendor: "nvidia", architecture: "hopper", device: "", description: "" }
const denoOnH100 = { vendor: "4318", architecture: "", device: "9009", description: "NVIDIA H100 80GB HBM3" }

describe("adapter", () => {
  it.each([swiftShader, lavapipe, warp])("$description is software, whatever its own flag says", (info) => {
    expect(isSoftware(info)).toBe(true)
    expect(isSoftware({ ...info, isFallbackAdapter: false })).toBe(true)
  })

  it("a card is real, and one that calls itself a fallback is not", () => {
    expect([chromeOnH100, denoOnH100].map(isSoftware)).toEqual([false, false])
    expect(isSoftware({ ...denoOnH100, isFallbackAdapter: true })).toBe(true)
  })

  it("its name is the description, or words where there is none, never a number", () => {
    expect(nameOf(denoOnH100)).toBe("NVIDIA H100 80GB HBM3")
    expect(nameOf(chromeOnH100)).toBe("nvidia hopper")
    expect(nameOf({ vendor: "4318", device: "0x2330", description: "" })).toBe("an adapter without a name")
  })
})
