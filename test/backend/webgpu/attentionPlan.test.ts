import type { TensorInfo } from "@tensorflow/tfjs-core"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { ExceedsLimit } from "../../../lib/backend/webgpu/errors.ts"
import type { Gpu } from "../../../lib/backend/webgpu/gpu.ts"
import { attentionKernels } from "../../../lib/backend/webgpu/kernels/attention.ts"
import {
  type AttentionShape,
  backwardBytes,
  forwardBytes,
  planBackward,
  planForward,
  threadsOf
} from "../../../lib/backend/webgpu/kernels/attentionTiles.ts"
import { diffAttentionKernels } from "../../../lib/backend/webgpu/kernels/diffAttention.ts"
import { leastLimits, type Limits } from "../../../lib/backend/webgpu/limits.ts"
import { wgslOf } from "../../../lib/backend/webgpu/shader.ts"

const limits: fc.Arbitrary<Limits> = fc.record({
  memory: fc.constantFrom(16_384, 32_768, 49_152, 65_536),
  threads: fc.constantFrom(256, 512, 1024)
}).map(({ memory, threads }) => ({
  ...leastLimits,
  maxComputeWorkgroupStorageSize: memory,
  maxComputeInvocationsPerWorkgroup: threads,
  maxComputeWorkgroupSizeX: threads
}))

const shapes: fc.Arbitrary<AttentionShape> = fc.record({
  batch: fc.integer({ min: 0, max: 4096 }),
  tokens: fc.integer({ min: 0, max: 1100 }),
  heads: fc.integer({ min: 1, max: 16 }),
  headDim: fc.integer({ min: 1, max: 256 }),
  maps: fc.constantFrom(1, 2)
})

const plans = [
  { name: "forward", plan: planForward, bytesOf: forwardBytes },
  { name: "backward", plan: planBackward, bytesOf: backwardBytes }
]

/** An engine that records which tensors are made and which shaders are asked for. */
const recorder = (own: Limits) => {
  const made: Array<TensorInfo> = []
  const shaders: Array<string> = []
  const wgsl: Array<string> = []
  const gpu: Gpu = {
    limits: own,
    output: (shape, dtype = "float32") => {
      const tensor = { dataId: {}, shape: [...shape], dtype }
      made.push(tensor)
      return tensor
    },
    free: () => {},
    share: (tensor) => tensor,
    owners: () => 1,
    run: (shader) => {
      shaders.push(shader.key)
      wgsl.push(wgslOf(shader))
    },
    counters: () => ({ dispatches: 0, pipelines: 0 })
  }
  const floats = (): number => made.reduce((sum, { shape }) => sum + shape.reduce((size, dim) => size * dim, 1), 0)
  return { gpu, shaders, wgsl, floats }
}

const info = (...shape: Array<number>): TensorInfo => ({ dataId: {}, shape, dtype: "float32" })

/** Forward and backward of both operations on tensors of so many tokens. */
const record = (own: Limits, n: number, headDim: number, numHeads: number) => {
  const recorded = recorder(own)
  const x = info(2, n, headDim * numHeads)
  const inputs = { q: x, k: x, v: x, dy: x, lambda: info(), stats: info(2, numHeads, n, 2) }
  for (const { on } of [...attentionKernels, ...diffAttentionKernels]) {
    on(recorded.gpu)({ inputs, attrs: { numHeads, causal: false }, backend: {} })
  }
  return recorded
}

describe("plans of attention", () => {
  it.each(plans)("$name: tiles fit memory and threads of every device, and groups its axes", ({ plan, bytesOf }) => {
    fc.assert(fc.property(shapes, limits, fc.boolean(), (shape, own, causal) => {
      const { tiles, groups } = plan(shape, causal, own)
      expect(bytesOf(tiles)).toBeLessThanOrEqual(own.maxComputeWorkgroupStorageSize)
      expect(threadsOf(tiles)).toBeLessThanOrEqual(own.maxComputeInvocationsPerWorkgroup)
      expect(Math.max(...groups)).toBeLessThanOrEqual(own.maxComputeWorkgroupsPerDimension)
    }))
  })

  it.each(plans)("$name: every row of every head is owned by exactly one thread's row, and has work", ({ plan }) => {
    fc.assert(fc.property(shapes, limits, (shape, own) => {
      const { tiles, groups, uniforms } = plan(shape, false, own)
      const { rows, columns, lanes, each } = tiles
      expect([rows % each, columns % lanes, tiles.headDim, tiles.maps]).toEqual([0, 0, shape.headDim, shape.maps])
      expect(uniforms.count).toBe(shape.batch * shape.heads * Math.ceil(shape.tokens / rows))
      expect(groups[0] * groups[1] * groups[2]).toBeGreaterThanOrEqual(uniforms.count)
      const owned = Array.from(
        { length: threadsOf(tiles) },
        (_, lane) => Array.from({ length: each }, (_, k) => Math.floor(lane / lanes) + k * rows / each)
      )
      const counts = new Map<number, number>()
      for (const row of owned.flat()) counts.set(row, (counts.get(row) ?? 0) + 1)
      expect([...counts.keys()].sort((a, b) => a - b)).toEqual(Array.from({ length: rows }, (_, row) => row))
      expect(new Set(counts.values())).toEqual(new Set([lanes]))
    }))
  })

  it("heads too wide for one row in workgroup memory are refused with the figures", () => {
    const shape = { batch: 1, tokens: 1, heads: 1, headDim: 4096, maps: 2 } as const
    expect(() => planForward(shape, false, leastLimits)).toThrow(ExceedsLimit)
    expect(() => planForward(shape, false, leastLimits)).toThrow(
      /takes \d+ bytes of workgroup memory, this adapter has 16384/
    )
  })
})

describe("kernels of attention", () => {
  it("make no tensor that grows with the square of the tokens: [N, N] nowhere, statistics a row at most", () => {
    const [headDim, numHeads] = [64, 12]
    for (const n of [197, 1025]) {
      const { floats } = record(leastLimits, n, headDim, numHeads)
      const results = 2 * (1 + 3) * 2 * n * headDim * numHeads // of both operations
      const perRow = 2 * (2 + 1) * 2 * numHeads * n // statistics and sums of p dA
      expect(floats()).toBeGreaterThanOrEqual(results + perRow)
      expect(floats()).toBeLessThan(results + perRow + 2 * numHeads * n) // and a number for each workgroup
    }
  })

  it("are two dispatches and one forward, and one more for lambda, with 8 buffers at most", () => {
    const { shaders, wgsl } = record(leastLimits, 17, 10, 2)
    expect(shaders.map((key) => key.split(" ")[0])).toEqual([
      "attention",
      "attentionQueryGradient",
      "attentionKeyGradient",
      "diffAttention",
      "diffAttentionQueryGradient",
      "diffAttentionKeyGradient",
      "diffAttentionLambdaGradient"
    ])
    for (const code of wgsl) expect(code.match(/var<storage/g)?.length).toBeLessThanOrEqual(8)
  })

  it("declare the workgroup memory that their plans count", () => {
    for (const [headDim, memory] of [[6, 16_384], [64, 16_384], [64, 32_768], [130, 16_384]] as const) {
      const own = { ...leastLimits, maxComputeWorkgroupStorageSize: memory }
      for (const code of record(own, 33, headDim, 2).wgsl) {
        const sizes = new Map([["f32", 4], ["vec2<f32>", 8], ["vec4<f32>", 16]])
        for (const [, alias, type] of code.matchAll(/alias (\w+) = ([^;]+);/g)) {
          sizes.set(alias ?? "", sizes.get(type ?? "") ?? NaN)
        }
        const bytes = [...code.matchAll(/var<workgroup> \w+: array<([\w<>]+), (\d+)>;/g)]
          .reduce((sum, [, type, count]) => sum + (sizes.get(type ?? "") ?? NaN) * Number(count), 0)
        expect(bytes).toBeGreaterThan(0)
        expect(bytes).toBeLessThanOrEqual(memory)
      }
    }
  })
})
