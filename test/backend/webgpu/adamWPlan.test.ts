import { expect, it } from "@effect/vitest"
import fc from "fast-check"
import { describe } from "vitest"
import { code, plan } from "../../../lib/backend/webgpu/kernels/adamW.ts"
import { leastLimits } from "../../../lib/backend/webgpu/limits.ts"

const limits = fc.record({ threads: fc.integer({ min: 32, max: 1024 }), most: fc.integer({ min: 64, max: 65_535 }) })
  .map(
    ({ threads, most }) => ({
      ...leastLimits,
      maxComputeInvocationsPerWorkgroup: threads,
      maxComputeWorkgroupSizeX: threads,
      maxComputeWorkgroupsPerDimension: most
    })
  )

describe("adamW's plan", () => {
  it("gives every number to exactly one thread, within what the device allows", () => {
    const size = fc.oneof(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 60_000_000 }))
    fc.assert(fc.property(size, limits, (n, allowed) => {
      const { params, count, groups: [x, y, z] } = plan(n, allowed)
      expect(count * params.components).toBe(n)
      expect(params.width).toBeLessThanOrEqual(allowed.maxComputeInvocationsPerWorkgroup)
      const most = allowed.maxComputeWorkgroupsPerDimension
      fc.pre(n <= params.width * params.components * most * most)
      expect(Math.max(x, y, z)).toBeLessThanOrEqual(most)
      expect(x * y * z * params.width).toBeGreaterThanOrEqual(count)
      expect((x * y * z - x) * params.width).toBeLessThan(count)
    }))
  })

  it("the token embedding of ViT-B/16 is one dispatch of threads for four numbers each", () => {
    const { params, count, groups } = plan(49_408 * 512, leastLimits)
    expect(params).toEqual({ width: 256, components: 4 })
    expect([count, ...groups]).toEqual([6_324_224, 24_704, 1, 1])
    expect(code(params).workgroup).toEqual([256, 1])
  })
})
