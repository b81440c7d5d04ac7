import { expect, it } from "@effect/vitest"
import fc from "fast-check"
import { describe } from "vitest"
import { plan } from "../../../lib/backend/webgpu/kernels/gatherRows.ts"
import { leastLimits } from "../../../lib/backend/webgpu/limits.ts"

describe("gatherRows' plan", () => {
  it("gives every number of every row, and every index to sort, to exactly one thread", () => {
    const sizes = fc.record({
      rows: fc.integer({ min: 1, max: 49_408 }),
      d: fc.integer({ min: 1, max: 1024 }),
      n: fc.integer({ min: 1, max: 40_000 })
    })
    fc.assert(fc.property(sizes, fc.constantFrom(256, 1024), fc.constantFrom(4096, 65_535), (shape, threads, most) => {
      const limits = {
        ...leastLimits,
        maxComputeInvocationsPerWorkgroup: threads,
        maxComputeWorkgroupsPerDimension: most
      }
      const { width, components, columns, count, groups, orderGroups } = plan(shape, limits)
      expect(width).toBeLessThanOrEqual(threads)
      expect([columns * components, count]).toEqual([shape.d, shape.rows * columns])
      for (const [[x, y, z], needed] of [[groups, count], [orderGroups, shape.n]] as const) {
        expect(Math.max(x, y, z)).toBeLessThanOrEqual(most)
        expect(x * y * z * width).toBeGreaterThanOrEqual(needed)
        expect((x * y * z - x) * width).toBeLessThan(needed)
      }
    }))
  })

  it("looks through few indices and sorts many", () => {
    const at = (n: number): boolean => plan({ rows: 49_408, d: 512, n }, leastLimits).isScan
    expect([at(1), at(256), at(257), at(64 * 77)]).toEqual([true, true, false, false])
  })
})
