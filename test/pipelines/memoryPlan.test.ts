import { planOnCpu } from "../../lib/backend/index.ts"
import { NodeServices } from "@effect/platform-node"
import { Effect, FileSystem, Layer } from "effect"
import { describe, expect, it } from "vitest"
import { makeDiffClip } from "../../lib/models/index.ts"
import { availableMemory, memAvailableIn } from "../../pipelines/availableMemory.ts"
import {
  fitMemory,
  largestMicroBatch,
  memoryOf,
  paperRecipe,
  presets,
  type TrainConfig
} from "../../pipelines/index.ts"

const facts = { planOn: planOnCpu }

const MIB = 2 ** 20
const deep = makeDiffClip("deep", {
  imageSize: 32,
  patchSize: 4,
  vision: { width: 64, layers: 6, numHeads: 4 },
  text: { width: 32, layers: 2, numHeads: 2 },
  contextLength: 16,
  vocabSize: 49408,
  embedDim: 32
}, { truncate: "keepEot" })

const config: TrainConfig = { ...paperRecipe, batchSize: 128, data: { ...paperRecipe.data, windowSize: 256 } }
const totalOf = (asked: Partial<TrainConfig>): number =>
  memoryOf(deep, { ...config, ...asked }, facts)?.totalBytes ?? Number.NaN

describe("memoryOf", () => {
  it("counts the engine's memory and what lies beside it", () => {
    const plan = memoryOf(deep, config, facts)
    if (plan === undefined) throw new Error("no plan")
    const { runtime, pictures, batch, checkpoint } = plan.host
    expect(plan.totalBytes).toBe(plan.reachedBytes + runtime + pictures + batch + checkpoint)
    expect(plan.stateBytes).toBeGreaterThanOrEqual(12 * deep.numParameters)
    expect(plan.engineBytes).toBeGreaterThan(16 * deep.numParameters) // and gradients
    expect(plan.reachedBytes).toBeGreaterThanOrEqual(plan.engineBytes)
    expect(checkpoint).toBe(12 * deep.numParameters)
    expect(batch).toBe(4 * 128 * (3 * 32 * 32 + 16))
  })

  it("a smaller micro-batch and blocks that run again take less memory and more time", () => {
    const [whole, small, again] = [{}, { microBatch: 16 }, { checkpointBlocks: "blocks" as const }]
      .map((asked) => memoryOf(deep, { ...config, ...asked }, facts))
    for (const plan of [small, again]) {
      expect(plan?.engineBytes).toBeLessThan(0.8 * (whole?.engineBytes ?? 0))
      expect(plan?.secondsPerStep).toBeGreaterThan(1.1 * (whole?.secondsPerStep ?? Infinity))
    }
  })

  it("host memory grows with the window and not beyond the data set", () => {
    const of = (windowSize: number, numSamples?: number): number | undefined =>
      memoryOf(presets.golden.model, { ...config, data: { ...config.data, windowSize } }, { ...facts, numSamples })
        ?.host.pictures
    expect(of(4096)).toBeGreaterThan(2 * (of(1024) ?? Infinity))
    expect(of(4096, 300)).toBe(of(2048, 300))
  })

  it("frozen parameters have no moments and no gradients", () => {
    const frozen = memoryOf(deep, config, { ...facts, lrScaleOf: (path) => path.startsWith("text.tokenEmbed") ? 0 : 1 })
    const table = 4 * 49408 * 32
    expect(frozen?.engineBytes).toBeLessThanOrEqual((memoryOf(deep, config, facts)?.engineBytes ?? 0) - 3 * table + MIB)
  })

  it("has no plan where one tensor is larger than the engine's memories", () => {
    expect(memoryOf(presets.cc3m.model, { ...paperRecipe, batchSize: 4096 }, facts)).toBeUndefined()
  })
})

describe("fitMemory", () => {
  const [kept, again] = [totalOf({ checkpointBlocks: "none" }), totalOf({ checkpointBlocks: "blocks" })]

  it("auto keeps all blocks where that fits, and runs them again where only that does", () => {
    expect(fitMemory(deep, config, kept, facts)).toMatchObject({ fits: true, config: { checkpointBlocks: "none" } })
    expect(fitMemory(deep, config, kept - 1, facts)).toMatchObject({
      fits: true,
      config: { checkpointBlocks: "blocks" }
    })
    expect(fitMemory(deep, config, again - 1, facts).fits).toBe(false)
  })

  it("what the caller chose stays", () => {
    const none: TrainConfig = { ...config, checkpointBlocks: "none" }
    expect(fitMemory(deep, none, kept - 1, facts)).toMatchObject({ fits: false, config: { checkpointBlocks: "none" } })
  })
})

describe("largestMicroBatch", () => {
  it("fits, and a tenth more does not", () => {
    const available = totalOf({ microBatch: 48 })
    const found = largestMicroBatch(deep, config, available, facts) ?? 0
    expect(found).toBeGreaterThanOrEqual(44)
    expect(totalOf({ microBatch: found })).toBeLessThanOrEqual(available)
    expect(totalOf({ microBatch: Math.ceil(1.1 * found) })).toBeGreaterThan(available)
  })

  it("is none where not even one pair fits, and beside updateFreq", () => {
    expect(largestMicroBatch(deep, config, 16 * deep.numParameters, facts)).toBeUndefined()
    expect(largestMicroBatch(deep, { ...config, updateFreq: 2 }, 2 ** 40, facts)).toBeUndefined()
  })
})

describe("availableMemory", () => {
  const files = (contents: Readonly<Record<string, string>>) =>
    Layer.effect(
      FileSystem.FileSystem,
      Effect.map(FileSystem.FileSystem, (fs) => ({
        ...fs,
        readFileString: (file: string) =>
          contents[file] === undefined ? fs.readFileString("/no/such/file") : Effect.succeed(contents[file])
      }))
    ).pipe(Layer.provide(NodeServices.layer))
  const found = (contents: Readonly<Record<string, string>>) =>
    Effect.runPromise(availableMemory(1000).pipe(Effect.provide(files(contents))))
  const meminfo = "MemTotal:       4000 kB\nMemFree:         100 kB\nMemAvailable:   2000 kB\n"

  it("is MemAvailable, or what a container's limit leaves, files in its cache not counted", async () => {
    expect(memAvailableIn(meminfo)).toBe(2000 * 1024)
    expect(await found({ "/proc/meminfo": meminfo })).toEqual({ bytes: 2000 * 1024, of: "the machine has free" })
    const limited = {
      "/proc/meminfo": meminfo,
      "/sys/fs/cgroup/memory.max": "1000000\n",
      "/sys/fs/cgroup/memory.current": "600000\n",
      "/sys/fs/cgroup/memory.stat": "anon 1\ninactive_file 200000\n"
    }
    expect(await found(limited)).toEqual({ bytes: 600_000, of: "the container's limit leaves" })
    expect((await found({ ...limited, "/sys/fs/cgroup/memory.max": "max\n" })).bytes).toBe(2000 * 1024)
  })

  it("is the machine's memory where the system does not say what is free", async () => {
    expect(await found({})).toEqual({ bytes: 1000, of: "the machine has" })
  })
})
