import * as tf from "@tensorflow/tfjs-core"
import { Effect } from "effect"
import process from "node:process"
import { describe, expect, it } from "vitest"
import { measureCanaries } from "../../../lib/backend/canary.ts"
import { webgpuKernels } from "../../../lib/backend/webgpu/kernels/index.ts"
import { leastLimits, type Limits } from "../../../lib/backend/webgpu/limits.ts"
import type { PlannedShader } from "../../../lib/backend/webgpu/planDevice.ts"
import { planWebgpu, type WebgpuPlanning } from "../../../lib/backend/webgpu/planning.ts"
import type { Replacement } from "../../../lib/backend/webgpu/tfjs.ts"
import { type Clip, clip, diffClip } from "../../../lib/models/index.ts"
import { halfForward, halfProductForward, wholeForward } from "../../../lib/ops/half.ts"
import * as ops from "../../../lib/ops/index.ts"
import { run } from "../../../lib/ops/kernel.ts"
import { adamW } from "../../../lib/optim/index.ts"
import { decodeTrainConfig, type TrainConfigInput } from "../../../pipelines/config.ts"
import { lossOf } from "../../../pipelines/lossOf.ts"
import { planStep } from "../../../pipelines/planStep.ts"
import type { TwoTowerParams } from "../../../pipelines/trainStep.ts"
import { tinyModel } from "../../pipelines/tiny.ts"
import { complaints, missingDawn, nullDevice } from "./nullDevice.ts"

/** Lavapipe's memory of a workgroup with half precision, and what a large card has. */
const middle: Limits = { ...leastLimits, maxComputeWorkgroupStorageSize: 2 ** 15, hasF16: true }
const large: Limits = {
  ...middle,
  maxBufferSize: 2 ** 32,
  maxStorageBufferBindingSize: 2 ** 32 - 4,
  maxComputeWorkgroupStorageSize: 48 * 1024,
  maxComputeInvocationsPerWorkgroup: 1024,
  maxComputeWorkgroupSizeX: 1024,
  maxComputeWorkgroupSizeY: 1024,
  maxStorageBuffersPerShaderStage: 16
}

/** Every fused operation on sizes that are no multiple of anything, forward and backward. */
const canaries = ({ name }: WebgpuPlanning): void => {
  const sync = <A>(unit: () => A) => Effect.sync(unit)
  const read = ({ size }: { readonly size: number }) => Effect.succeed(new Float32Array(size))
  Effect.runSync(measureCanaries({ name, sync, read }))
}

/** Operations that canaries and plain steps leave out: 16-bit halves, and what guards a step with loss scaling. */
const guarded = ({ tensor }: WebgpuPlanning): void =>
  void tf.tidy(() => {
    const [a, b] = [tensor([24, 16]), tensor([40, 16])]
    const { y } = run(halfForward, { x: a }, {})
    run(wholeForward, { x: y }, { shape: [24, 16] })
    for (const transposeA of [true, false]) {
      for (const transposeB of [true, false]) {
        const attrs = { m: 24, n: 40, k: 16, transposeA, transposeB }
        run(halfProductForward, { a: y, b: run(halfForward, { x: b }, {}).y }, attrs)
      }
    }
    ops.raw.select(ops.raw.finite([tensor([])]), a, tensor([24, 16]))
  })

/** A step of a model with a configuration. */
const step =
  <P extends TwoTowerParams>(model: Clip<P>, input: TrainConfigInput) => (planning: WebgpuPlanning): void => {
    const config = Effect.runSync(decodeTrainConfig({ length: { steps: 4 }, ...input }))
    const recipe = { model, loss: lossOf(config.loss), optimizer: adamW<P>(config.optimizer), config }
    planStep(recipe, (use) => use(planning))
  }

const plain: TrainConfigInput = { batchSize: 48, microBatch: 16, checkpointBlocks: "none" }

/** What is planned: the operations, and steps of the sizes that a user has. */
const programs: ReadonlyArray<(planning: WebgpuPlanning) => void> = [
  canaries,
  guarded,
  step(tinyModel, { batchSize: 7, updateFreq: 2 }),
  step(clip, plain),
  step(diffClip, { ...plain, checkpointBlocks: "blocks" })
]

/** All shaders of all programs, each once, and the kernels of ours that ran. */
const plan = (limits: Limits) => {
  const shaders = new Map<string, PlannedShader>()
  const ran = new Set<string>()
  const watched = webgpuKernels.map(({ kernelName, on }): Replacement => ({
    kernelName,
    on: (gpu) => {
      const kernel = on(gpu)
      return (call) => {
        ran.add(kernelName)
        return kernel(call)
      }
    }
  }))
  for (const program of programs) {
    planWebgpu(limits, (planning) => {
      program(planning)
      for (const shader of planning.shaders()) shaders.set(shader.code, shader)
    }, { kernels: watched })
  }
  return { shaders: [...shaders.values()], ran }
}

/** The null device has the least limits; it counts what a shader takes, and the plan's own limits are what it may. */
const isWithin = (complaint: string, limits: Limits): boolean => {
  const count = (pattern: RegExp): number => Number(pattern.exec(complaint)?.[1] ?? Infinity)
  return count(/total use of workgroup storage \((\d+) bytes\)/) <= limits.maxComputeWorkgroupStorageSize ||
    count(/number of storage buffers \((\d+)\)/) <= limits.maxStorageBuffersPerShaderStage ||
    count(/total number of workgroup invocations \((\d+)\)/) <= limits.maxComputeInvocationsPerWorkgroup
}

/** All complaints of a compiler. */
const compile = async (
  device: GPUDevice,
  shaders: ReadonlyArray<PlannedShader>,
  limits: Limits
): Promise<ReadonlyArray<string>> => {
  const found: Array<string> = []
  for (const shader of shaders) found.push(...await complaints(device, shader))
  return found.filter((complaint) => !isWithin(complaint, limits))
}

const isRequired = process.env["DIFFCLIP_REQUIRE_WEBGPU"] === "1"

describe.skipIf(missingDawn !== undefined && !isRequired)("every shader of a step, by Dawn's compiler", () => {
  it("a shader that does not compile is reported, by its name and line", async () => {
    const device = await nullDevice("least")
    const body = "@compute @workgroup_size(1) fn main() {\n  let x: f32 = 1u;\n}"
    const [found = ""] = await complaints(device, { label: "testBroken", code: body, entryPoint: "main" })
    expect(found).toMatch(/^testBroken: error in line 2: /)
  })

  it("a warning is reported, too", async () => {
    const device = await nullDevice("least")
    const body = "@compute @workgroup_size(1) fn main() { return; let x = 1; }"
    const [found = ""] = await complaints(device, { label: "testIdle", code: body, entryPoint: "main" })
    expect(found).toMatch(/^testIdle: warning in line 1: code is unreachable/)
  })

  it("more memory of a workgroup than the device has is reported", async () => {
    const device = await nullDevice("least")
    const code = "var<workgroup> room: array<f32, 4097>;\n@compute @workgroup_size(1) fn main() { room[0] = 1.0; }"
    const found = await complaints(device, { label: "testRoom", code, entryPoint: "main" })
    expect(found.join()).toMatch(/^testRoom: .*workgroup/)
  })

  it.each(
    [
      ["the least that every adapter allows", leastLimits, "least"],
      ["32 KiB a workgroup and half precision", middle, "most"],
      ["a large card", large, "most"]
    ] as const
  )("compiles without a word with %s", async (_, limits, allows) => {
    const { shaders, ran } = plan(limits)
    expect(shaders.length).toBeGreaterThan(100)
    expect(await compile(await nullDevice(allows), shaders, limits)).toEqual([])
    const idle = webgpuKernels.map(({ kernelName }) => kernelName).filter((name) => !ran.has(name))
    expect(idle, "kernels of ours that no program runs").toEqual([])
  }, 120_000)
})
