import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { plan as planParts } from "../../../lib/backend/webgpu/kernels/gemmParts.ts"
import { type Plan, plan, type ProductShape } from "../../../lib/backend/webgpu/kernels/gemmPlan.ts"
import { tileBytes, tileSize } from "../../../lib/backend/webgpu/kernels/gemmTile.ts"
import { batchAxes } from "../../../lib/backend/webgpu/kernels/matMul.ts"
import { leastLimits, type Limits } from "../../../lib/backend/webgpu/limits.ts"

const limits: fc.Arbitrary<Limits> = fc.record({
  storage: fc.integer({ min: 16_384, max: 65_536 }),
  threads: fc.integer({ min: 256, max: 1024 }),
  groups: fc.constantFrom(65_535, 2 ** 20),
  bytes: fc.integer({ min: 27, max: 32 })
}).map(({ storage, threads, groups, bytes }) => ({
  ...leastLimits,
  maxBufferSize: 2 ** bytes,
  maxStorageBufferBindingSize: 2 ** bytes,
  maxComputeWorkgroupStorageSize: storage,
  maxComputeInvocationsPerWorkgroup: threads,
  maxComputeWorkgroupSizeX: threads,
  maxComputeWorkgroupsPerDimension: groups
}))

const dense = (m: number, n: number, k: number, inner = 1): ProductShape => ({
  ...{ m, n, k, inner },
  a: { row: k, inner: m * k, order: "plain" },
  b: { row: n, inner: k * n, order: "plain" },
  c: { row: n, inner: m * n }
})

const size = fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 40_000 }))
const products = fc.tuple(size, size, size, fc.integer({ min: 1, max: 300 }))
  .filter(([m, n, , inner]) => m * n * inner < 2 ** 28)
  .map(([m, n, k, inner]) => dense(m, n, k, inner))

const product = (values: ReadonlyArray<number>): number => values.reduce((all, value) => all * value, 1)

/** The places of all tiles of one matrix, as the shader finds them. */
const tilesOf = ({ uniforms: { down, across }, params }: Plan): ReadonlyArray<string> =>
  Array.from({ length: down * across }, (_, tile) => {
    const band = Math.floor(tile / (8 * across)), inBand = tile % (8 * across)
    const height = Math.min(8, down - 8 * band)
    const { rows, cols } = tileSize(params)
    return `${rows * (8 * band + inBand % height)} ${cols * Math.floor(inBand / height)}`
  })

describe("plan of a product", () => {
  it("stays within every device's limits: threads, workgroup memory, workgroups, bytes of the parts", () => {
    fc.assert(fc.property(products, limits, (shape, limits) => {
      const { params, groups, uniforms, parts } = plan(shape, limits)
      expect(params.across * params.down).toBeLessThanOrEqual(limits.maxComputeInvocationsPerWorkgroup)
      expect(tileBytes(params)).toBeLessThanOrEqual(limits.maxComputeWorkgroupStorageSize)
      expect(Math.max(...groups)).toBeLessThanOrEqual(limits.maxComputeWorkgroupsPerDimension)
      expect(product(groups)).toBeGreaterThanOrEqual(uniforms.count)
      const bytes = 4 * parts * shape.m * shape.n * (shape.inner ?? 1)
      if (parts > 1) expect(bytes).toBeLessThanOrEqual(limits.maxStorageBufferBindingSize)
    }))
  })

  it("its tiles cover the result, each number once, and its parts every step of K once", () => {
    fc.assert(fc.property(products, limits, (shape, limits) => {
      const planned = plan(shape, limits)
      const { uniforms: { down, across, count, kPart }, params, parts } = planned
      const { rows, cols } = tileSize(params)
      expect(down).toBe(Math.ceil(shape.m / rows))
      expect(across).toBe(Math.ceil(shape.n / cols))
      expect(count).toBe(down * across * parts * (shape.inner ?? 1))
      if (down * across < 2000) {
        const wanted = Array.from({ length: down * across }, (_, i) => {
          return `${rows * Math.floor(i / across)} ${cols * (i % across)}`
        })
        expect(tilesOf(planned).toSorted()).toEqual(wanted.toSorted())
      }
      expect(kPart % 16).toBe(0)
      expect((parts - 1) * kPart).toBeLessThan(shape.k)
      expect(parts * kPart).toBeGreaterThanOrEqual(shape.k)
    }))
  })

  it("reads four numbers at once only where each run of four lies inside the matrix", () => {
    fc.assert(fc.property(products, (shape) => {
      const { params } = plan(shape, leastLimits)
      expect(params.a === "f32x4").toBe(shape.k % 4 === 0)
      expect(params.b === "f32x4").toBe(shape.n % 4 === 0)
      expect(params.c === "f32x4").toBe(shape.n % 4 === 0)
    }))
    const shape = dense(8, 8, 8)
    expect(plan({ ...shape, a: { ...shape.a, from: 2 } }, leastLimits).params.a).toBe("f32")
    expect(plan({ ...shape, b: { ...shape.b, row: 10 } }, leastLimits).params.b).toBe("f32")
    expect(plan({ ...shape, b: { ...shape.b, type: "half" } }, leastLimits).params.b).toBe("halfx4")
  })

  it("large products take large tiles, small ones small tiles or parts, so that a card has work", () => {
    const tile = (m: number, n: number, k: number): string => {
      const { params, parts } = plan(dense(m, n, k), leastLimits)
      const { rows, cols } = tileSize(params)
      return `${rows}x${cols}${parts === 1 ? "" : ` in ${parts}`}`
    }
    expect(tile(32 * 197, 768, 768)).toBe("128x128")
    expect(tile(394, 768, 768)).toBe("64x64")
    expect(tile(16, 16_384, 64)).toBe("16x64")
    expect(tile(16_384, 16, 64)).toBe("64x16")
    expect(tile(64, 64, 20_000)).toMatch(/ in \d+$/)
  })

  it("where the result is not dense the inner dimension is not cut", () => {
    const shape = dense(64, 64, 20_000)
    expect(plan({ ...shape, c: { row: 128 } }, leastLimits).parts).toBe(1)
  })

  it("the sum of parts covers every number", () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 5000 }), (m, n) => {
      const { c, uniforms, groups } = planParts({ size: m * n, n, parts: 3, alpha: 1 }, leastLimits)
      expect(uniforms.units * (c === "f32x4" ? 4 : 1)).toBe(m * n)
      expect(256 * product(groups)).toBeGreaterThanOrEqual(uniforms.units)
      expect(Math.max(...groups)).toBeLessThanOrEqual(leastLimits.maxComputeWorkgroupsPerDimension)
    }))
  })
})

describe("axes of a batch", () => {
  it("go together where nothing between them is repeated", () => {
    expect(batchAxes([2, 3], [2, 3], [10, 20, 30])).toEqual([{ size: 6, strides: [10, 20, 30] }])
    expect(batchAxes([2, 3], [], [10, 20, 30])).toEqual([{ size: 6, strides: [10, 0, 30] }])
    expect(batchAxes([], [], [10, 20, 30])).toEqual([])
  })

  it("are apart where one side is repeated", () => {
    expect(batchAxes([2, 1], [1, 3], [10, 20, 30])).toEqual([
      { size: 2, strides: [10, 0, 90] },
      { size: 3, strides: [0, 20, 30] }
    ])
  })
})
