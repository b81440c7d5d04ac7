import fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as columnSums from "../../../lib/backend/webgpu/kernels/columnSums.ts"
import { planElements } from "../../../lib/backend/webgpu/kernels/elementwise.ts"
import * as firstMaxima from "../../../lib/backend/webgpu/kernels/firstMaxima.ts"
import * as gelu from "../../../lib/backend/webgpu/kernels/gelu.ts"
import * as l2Normalize from "../../../lib/backend/webgpu/kernels/l2Normalize.ts"
import * as lambda from "../../../lib/backend/webgpu/kernels/lambda.ts"
import * as layerNorm from "../../../lib/backend/webgpu/kernels/layerNorm.ts"
import * as norm from "../../../lib/backend/webgpu/kernels/norm.ts"
import * as patchify from "../../../lib/backend/webgpu/kernels/patchify.ts"
import * as raw from "../../../lib/backend/webgpu/kernels/raw.ts"
import * as rmsNorm from "../../../lib/backend/webgpu/kernels/rmsNorm.ts"
import { planRows, rowsOf } from "../../../lib/backend/webgpu/kernels/rows.ts"
import * as softmax from "../../../lib/backend/webgpu/kernels/softmax.ts"
import { type Groups, leastLimits, type Limits } from "../../../lib/backend/webgpu/limits.ts"
import { type Binding, type ShaderText, wgslOf } from "../../../lib/backend/webgpu/shader.ts"

/** Few workgroups along an axis, so that small sizes fold. */
const narrow = fc.integer({ min: 64, max: 65_535 }).map((most): Limits => ({
  ...leastLimits,
  maxComputeWorkgroupsPerDimension: most
}))
const size = (max: number) => fc.integer({ min: 1, max })

/** The numbers of all workgroups of a dispatch, as a shader computes them; all axes are within the limit. */
const numbersOf = ([x, y, z]: Groups, { maxComputeWorkgroupsPerDimension: most }: Limits): ReadonlyArray<number> => {
  expect(Math.max(x, y, z)).toBeLessThanOrEqual(most)
  expect(z).toBe(1)
  return Array.from({ length: x * y }, (_, i) => i)
}

const BYTES = { "f32": 4, "u32": 4, "i32": 4, "vec2<f32>": 8, "vec4<f32>": 16 } as const
const bytesOf = (type: string): number => {
  const known = Object.entries(BYTES).find(([name]) => name === type)
  if (known === undefined) throw new Error(`no size known for ${type}`)
  return known[1]
}

/** What a workgroup of a shader shares. */
const sharedBytes = (shader: ShaderText<string, string>): number =>
  [...wgslOf(shader).matchAll(/var<workgroup> \w+: array<([\w<>]+), (\d+)>/g)]
    .reduce((sum, [, type = "", length]) => sum + bytesOf(type) * Number(length), 0)

describe("plans of kernels on rows, columns and single numbers", () => {
  it("every row has one place, whatever its width", () => {
    fc.assert(
      fc.property(size(5000), size(3000), narrow, (rows, cols, limits) => {
        const { params, groups, uniforms } = planRows({ rows, cols }, limits)
        const per = rowsOf(params)
        const placed = numbersOf(groups, limits).flatMap((number) =>
          Array.from({ length: per }, (_, i) => number * per + i).filter((row) => row < uniforms.rows)
        )
        expect(placed).toEqual(Array.from({ length: rows }, (_, i) => i))
        expect(uniforms.units * (params.isVec4 ? 4 : 1)).toBe(cols)
      }),
      { numRuns: 40 }
    )
  })

  it("every column of every chunk of rows is summed once, and the chunks are all rows", () => {
    fc.assert(
      fc.property(size(100_000), size(500), narrow, (rows, cols, limits) => {
        const { params, first, second } = columnSums.plan({ rows, cols }, limits)
        for (const stage of second === undefined ? [first] : [first, second]) {
          const { chunk, across, count, units } = stage.uniforms
          const numbers = numbersOf(stage.groups, limits).filter((number) => number < count)
          expect(numbers.length).toBe(across * stage.blocks)
          expect(across * params.lanes).toBeGreaterThanOrEqual(units)
          expect((across - 1) * params.lanes).toBeLessThan(units)
          expect((stage.blocks - 1) * chunk).toBeLessThan(stage.uniforms.rows)
          expect(stage.blocks * chunk).toBeGreaterThanOrEqual(stage.uniforms.rows)
        }
        expect(first.uniforms.rows).toBe(rows)
        expect(second?.uniforms.rows ?? 1).toBe(first.blocks)
        expect(second?.blocks ?? 1).toBe(1)
      }),
      { numRuns: 60 }
    )
  })

  it("every number has one thread, and so has every pixel of images", () => {
    fc.assert(fc.property(size(100_000), narrow, (count, limits) => {
      const { params, groups, units } = planElements(count, limits)
      expect(units * (params.isVec4 ? 4 : 1)).toBe(count)
      const threads = 256 * numbersOf(groups, limits).length
      expect(threads).toBeGreaterThanOrEqual(units)
    }))
    fc.assert(fc.property(size(3), size(4), size(5), size(17), narrow, (b, c, side, patch, limits) => {
      const { params, uniforms } = patchify.plan([b, c, side * patch, side * patch], patch, limits)
      expect(uniforms.units * (params.isVec4 ? 4 : 1)).toBe(b * c * (side * patch) ** 2)
      expect(uniforms.across * (params.isVec4 ? 4 : 1)).toBe(patch)
    }))
  })

  it("a norm takes every tensor that is not empty once, and each workgroup's sum has a place of its own", () => {
    fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 3_000_000 }), { maxLength: 40 }), (sizes) => {
      const { dispatches, count } = norm.plan(sizes)
      const taken = dispatches.flatMap(({ members }) => members).sort((a, b) => a - b)
      expect(taken).toEqual([...sizes.keys()].filter((i) => sizes[i] !== 0))
      let next = 0
      for (const { isVec4, members, groups, uniforms } of dispatches) {
        expect(uniforms["offset"]).toBe(next)
        next += groups
        members.forEach((member, slot) => {
          expect((uniforms[`units${slot}`] ?? 0) * (isVec4 ? 4 : 1)).toBe(sizes[member])
          expect(uniforms[`begin${slot + 1}`]).toBeGreaterThan(slot === 0 ? 0 : uniforms[`begin${slot}`] ?? 0)
        })
        expect(uniforms["begin7"]).toBe(groups)
      }
      expect(next).toBe(count)
    }))
  })

  it("every shader fits every device: threads, shared memory, buffers", () => {
    const shaders: Array<ShaderText<string, string>> = []
    for (const isVec4 of [true, false]) {
      const elements = { isVec4 }
      shaders.push(gelu.code(elements), gelu.gradCode(elements), patchify.code(elements), norm.squaresCode(elements))
      shaders.push(raw.clampCode(elements), raw.selectCode(elements), raw.addToCode(elements), raw.addCode(elements))
      for (const lanes of [1, 8, 32]) {
        const params = { lanes, isVec4 }
        shaders.push(columnSums.code(params), layerNorm.partsCode(params), layerNorm.joinCode(params))
        shaders.push(rmsNorm.partsCode(params))
      }
      for (const threads of [8, 32, 128]) {
        const params = { threads, isVec4 }
        shaders.push(layerNorm.forwardCode(params), layerNorm.dxCode(params), rmsNorm.forwardCode(params))
        shaders.push(rmsNorm.dxCode(params), softmax.code({ ...params, causal: true }), softmax.gradCode(params))
        shaders.push(l2Normalize.code(params), l2Normalize.gradCode(params))
        shaders.push(firstMaxima.code({ threads, element: "f32" }))
      }
    }
    shaders.push(lambda.code({}), lambda.gradCode({}), norm.rootCode({}), raw.finiteCode({ threads: 128 }))
    for (const shader of shaders) {
      expect(sharedBytes(shader)).toBeLessThanOrEqual(leastLimits.maxComputeWorkgroupStorageSize)
      expect(shader.workgroup[0] * shader.workgroup[1]).toBeLessThanOrEqual(
        leastLimits.maxComputeInvocationsPerWorkgroup
      )
      const buffers = Object.values<Binding>(shader.bindings).length
      expect(buffers).toBeLessThanOrEqual(leastLimits.maxStorageBuffersPerShaderStage)
    }
    expect(Math.max(...shaders.map(sharedBytes))).toBe(2 * 128 * 16) // the largest: two sums of four columns a thread
  })

  it("a sum is over leading axes where they come first and there are any", () => {
    expect([
      columnSums.leadingAxes(3, [0]),
      columnSums.leadingAxes(3, [1, 0]),
      columnSums.leadingAxes(3, [-3, 1]),
      columnSums.leadingAxes(3, undefined)
    ])
      .toEqual([1, 2, 2, 3])
    expect([
      columnSums.leadingAxes(3, [1]),
      columnSums.leadingAxes(3, [-1]),
      columnSums.leadingAxes(3, [0, 2]),
      columnSums.leadingAxes(3, [])
    ])
      .toEqual([undefined, undefined, undefined, undefined])
    expect(columnSums.leadingAxes(0, undefined)).toBe(undefined)
  })
})
