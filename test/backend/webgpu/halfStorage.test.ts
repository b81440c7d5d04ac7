import process from "node:process"
import { describe, expect, it } from "vitest"
import { plan } from "../../../lib/backend/webgpu/kernels/gemmPlan.ts"
import { code } from "../../../lib/backend/webgpu/kernels/gemmTile.ts"
import { leastLimits } from "../../../lib/backend/webgpu/limits.ts"
import { wgslOf } from "../../../lib/backend/webgpu/shader.ts"
import { complaints, missingDawn, nullDevice } from "./nullDevice.ts"

const isRequired = process.env["DIFFCLIP_REQUIRE_WEBGPU"] === "1"

const planned = (hasF16: boolean) =>
  plan({
    ...{ m: 64, n: 64, k: 64 },
    a: { order: "plain", row: 64, type: "half" },
    b: { order: "transposed", row: 64, type: "half" },
    c: { row: 64 }
  }, { ...leastLimits, hasF16 })

describe("storage of halves", () => {
  it("is read as f16 where shaders know it, and unpacked from words where not", () => {
    const [known, unknown] = [planned(true).params, planned(false).params]
    expect([known.a, known.b]).toEqual(["f16x4", "f16x4"])
    expect([unknown.a, unknown.b]).toEqual(["halfx4", "halfx4"])
    expect(wgslOf(code(known))).toMatch(/^enable f16;/)
    expect(wgslOf(code(unknown))).not.toContain("f16;")
  })

  it.skipIf(missingDawn !== undefined && !isRequired)(
    "both compile on Dawn's null backend without a word",
    async () => {
      const device = await nullDevice("most")
      for (const hasF16 of [true, false]) {
        const shader = code(planned(hasF16).params)
        expect(await complaints(device, { label: shader.key, code: wgslOf(shader), entryPoint: "main" })).toEqual([])
      }
    }
  )
})
