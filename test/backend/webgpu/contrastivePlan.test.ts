import { expect, it } from "@effect/vitest"
import fc from "fast-check"
import { describe } from "vitest"
import {
  backwardPlan,
  packCode,
  productGroups,
  slopeCode,
  weightsCode
} from "../../../lib/backend/webgpu/kernels/contrastiveBackward.ts"
import {
  type Columns,
  forwardPlan,
  lossCode,
  mergeCode,
  statisticsCode
} from "../../../lib/backend/webgpu/kernels/contrastiveForward.ts"
import { productCode } from "../../../lib/backend/webgpu/kernels/contrastiveProduct.ts"
import { leastLimits } from "../../../lib/backend/webgpu/limits.ts"
import { type Shader, wgslOf } from "../../../lib/backend/webgpu/shader.ts"

const EDGE = 64
const SIZES: Readonly<Record<string, number>> = { "f32": 4, "vec2<f32>": 8, "vec4<f32>": 16 }

/** Bytes that a shader's text shares within a workgroup. */
const sharedBytes = (text: string): number =>
  [...text.matchAll(/var<workgroup> \w+: array<([^;]*), (\d+)>;/g)].reduce(
    (sum, [, element = "", count]) => sum + (SIZES[element] ?? Number.NaN) * Number(count),
    0
  )

/** What a shader asks of a device. */
const needsOf = <B extends string, U extends string>(shader: Shader<B, U>) => ({
  key: shader.key,
  bytes: sharedBytes(wgslOf(shader)),
  threads: shader.workgroup[0] * shader.workgroup[1],
  buffers: Object.keys(shader.bindings).length
})

/** Ranges that follow one another from 0 to b, and tiles that cover each of them and all rows, none of them idle. */
const expectCover = (ranges: ReadonlyArray<Columns>, b: number): void => {
  let next = 0
  for (const { first, size, groups: [across, down, deep] } of ranges) {
    expect(first).toBe(next)
    expect(first % EDGE).toBe(0)
    next += size
    expect([across, down, deep]).toEqual([Math.ceil(size / EDGE), Math.ceil(b / EDGE), 1])
    expect(Math.max(across, down)).toBeLessThanOrEqual(leastLimits.maxComputeWorkgroupsPerDimension)
  }
  expect(next).toBe(b)
}

describe("contrastive's plan", () => {
  it("covers every logit once, with arrays that a device can bind", () => {
    const limits = fc.integer({ min: 2 ** 27, max: 2 ** 31 }).map((bytes) => ({
      ...leastLimits,
      maxStorageBufferBindingSize: bytes,
      maxBufferSize: 2 * bytes
    }))
    fc.assert(fc.property(fc.integer({ min: 1, max: 70_000 }), limits, (b, allowed) => {
      const [forward, backward] = [forwardPlan(b, allowed), backwardPlan(b, allowed)]
      expectCover(forward, b)
      expectCover(backward, b)
      const most = allowed.maxStorageBufferBindingSize
      for (const { size, groups: [across, down] } of forward) {
        expect(16 * across * b).toBeLessThanOrEqual(most)
        expect(8 * down * size).toBeLessThanOrEqual(most)
      }
      for (const { size } of backward) expect(4 * (size + 3) * (b + 3)).toBeLessThanOrEqual(most)
    }))
  })

  it("a batch of 4096 has no array of all logits: the forward's largest is 4 MiB, the backward's two 32 MiB", () => {
    const [forward] = forwardPlan(4096, leastLimits)
    expect(forward?.groups).toEqual([64, 64, 1])
    expect(backwardPlan(4096, leastLimits).map(({ size }) => size)).toEqual([2048, 2048])
    expect(productGroups(4096, 512)).toEqual([8, 64, 1])
  })

  it("every shader fits the least device: 16 KiB, 256 threads, 8 buffers", () => {
    const shaders = [true, false].flatMap((isVector) => [
      needsOf(statisticsCode({ isVector })),
      needsOf(weightsCode({ isVector })),
      needsOf(productCode({ isVector }))
    ])
    shaders.push(needsOf(mergeCode({})), needsOf(packCode({})))
    shaders.push(needsOf(lossCode({ width: 256 })), needsOf(slopeCode({ width: 256 })))
    for (const { key, bytes, threads, buffers } of shaders) {
      expect(bytes, key).toBeLessThanOrEqual(leastLimits.maxComputeWorkgroupStorageSize)
      expect(threads, key).toBeLessThanOrEqual(leastLimits.maxComputeInvocationsPerWorkgroup)
      expect(buffers, key).toBeLessThanOrEqual(leastLimits.maxStorageBuffersPerShaderStage)
    }
    expect(new Set(shaders.map(({ key }) => key)).size).toBe(shaders.length)
  })
})
