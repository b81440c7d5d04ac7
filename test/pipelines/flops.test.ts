import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { fromArray } from "../../lib/data/index.ts"
import { diffClip, makeDiffClip, numImageTokens } from "../../lib/models/index.ts"
import { specsOf } from "../../lib/nn/index.ts"
import { measuredSpeed, pairFlops, showDuration, showFlops, stepFlops } from "../../pipelines/flops.ts"
import { Pipeline, presets } from "../../pipelines/index.ts"
import { samples, tinyModel } from "./tiny.ts"

const once = { batchSize: 128, microBatch: null, updateFreq: 1, checkpointBlocks: "none" } as const

describe("pairFlops", () => {
  it("is two operations for each weight of a matrix and each token, and the scores and values of attention", () => {
    for (const model of [diffClip, tinyModel]) {
      const { settings } = model
      const [n, l] = [numImageTokens(settings), settings.contextLength]
      const { blocks, patches, projections } = pairFlops(settings)
      let weights = 0
      for (const { path, spec: { shape } } of specsOf<ReturnType<typeof model.init>>(model.specs)) {
        const isMatrix = shape.length >= 2 && !/posEmbed|clsToken|tokenEmbed/.test(path)
        const size = shape.reduce((a, b) => a * b, 1)
        const tokens = path.includes("Projection") ?
          1 :
          path.startsWith("text") ?
          l :
          path.includes("patch") ?
          n - 1 :
          n
        if (isMatrix) weights += 2 * size * tokens
      }
      const attention = 4 * (settings.vision.layers * n ** 2 * settings.vision.width +
        settings.text.layers * l ** 2 * settings.text.width)
      expect(blocks + patches + projections).toBe(weights + attention)
    }
  })

  it("is 41 GFLOP for the paper's model, 35 of them in the image tower (DISTRIBUTED section 6)", () => {
    const { blocks, patches, projections } = pairFlops(diffClip.settings)
    expect((blocks + patches + projections) / 1e9).toBeCloseTo(41.1, 1)
  })
})

describe("stepFlops", () => {
  it("is the paper's 504 TFLOP at batch 4096, a third of it more with cached embeddings", () => {
    const whole = stepFlops(diffClip.settings, { ...once, batchSize: 4096 })
    expect(whole / 1e12).toBeGreaterThan(500)
    expect(whole / 1e12).toBeLessThan(510)
    const cached = stepFlops(diffClip.settings, { ...once, batchSize: 4096, microBatch: 64 })
    expect(cached / whole).toBeCloseTo(4 / 3, 2)
    const again = stepFlops(diffClip.settings, { ...once, batchSize: 4096, checkpointBlocks: "blocks" })
    expect(again / whole).toBeCloseTo(4 / 3, 2)
    expect(stepFlops(diffClip.settings, { ...once, updateFreq: 3 })).toBe(3 * stepFlops(diffClip.settings, once))
  })

  it("times the measured speed is the measured time of the benchmark's step", () => {
    const lines = readFileSync(new URL("../bench/results/linux-x64-2-cores.jsonl", import.meta.url), "utf8").trim()
      .split("\n")
    const found = lines.map((line): Readonly<Record<string, unknown>> => JSON.parse(line)).filter(({ name, backend }) =>
      name === "step" && String(backend).includes("2 threads")
    )
    expect(found.find(({ unit }) => unit === "GFLOP/s")?.["median"]).toBe(measuredSpeed.gflops)
    const ms = Number(found.find(({ unit }) => unit === "ms")?.["median"])
    const tower = { width: 64, layers: 4, numHeads: 4 }
    const demo = makeDiffClip("demo", {
      imageSize: 32,
      patchSize: 8,
      vision: tower,
      text: tower,
      contextLength: 24,
      vocabSize: 600,
      embedDim: 64
    })
    // The benchmark counts the loss's products twice as often: 0.1 % of a step.
    expect(stepFlops(demo.settings, once) / (measuredSpeed.gflops * 1e6) / ms).toBeCloseTo(1, 2)
  })
})

describe("for people", () => {
  it.each([
    [5.039e14, "504 TFLOP"],
    [1.13e19, "11.3 EFLOP"],
    [2e3, "0.002 MFLOP"]
  ])("%d operations are %s", (flops, text) => expect(showFlops(flops)).toBe(text))

  it.each([
    [30e9, "30 seconds"],
    [119e9, "120 seconds"],
    [600e9, "10 minutes"],
    [30 * 3600e9, "30 hours"],
    [13 * 86_400e9, "13 days"]
  ])(
    "%d operations at 1 GFLOP/s take %s",
    (flops, text) => expect(showDuration(flops, { gflops: 1, of: "" })).toBe(text)
  )
})

describe("presets", () => {
  it("each says its rung and what it costs; what nobody has run says so", () => {
    for (const { rung, note } of Object.values(presets)) {
      expect(note).toMatch(/seconds|minutes|hours|days/)
      if (rung >= 2) expect(note).toMatch(/not run by us|not yet measured/)
      if (rung >= 3) expect(note).toMatch(/table 2/)
    }
    expect(new Set(Object.values(presets).map(({ rung }) => rung))).toEqual(new Set([0, 1, 2, 3, 4]))
  })

  it("a note's cost is that of the plan of its run", async () => {
    for (const { model, dataset, config, note } of Object.values(presets)) {
      if (config.microBatch === undefined) continue
      const data = dataset ?? { ...fromArray("subset", samples), numSamples: 100_000 }
      const { flops } = await Effect.runPromise(Pipeline.plan(model, data, config))
      expect(note).toContain(`${showFlops(flops)}, `)
    }
  })
})

describe("Pipeline.showPlan", () => {
  it("says micro-batches, clipping, work and time, at a speed that may be given", async () => {
    const plan = await Effect.runPromise(
      Pipeline.plan(diffClip, { ...fromArray("some", samples), numSamples: 2_300_000 }, {
        microBatch: 64,
        gradientClip: { maxNorm: 1 },
        checkpointBlocks: "blocks"
      })
    )
    expect(plan).toMatchObject({ steps: 22_440, microBatch: 64, flops: 22_440 * plan.stepFlops })
    const text = Pipeline.showPlan(plan, { gflops: 1000, of: "this test" })
    expect(text).toContain("4,096 pairs in micro-batches of 64, blocks run again")
    expect(text).toContain("gradients clipped to norm 1")
    expect(text).toMatch(/work +840 TFLOP a step, 18\.8 EFLOP in all: 220 days at 1000 GFLOP\/s \(this test\)/)
    const whole = await Effect.runPromise(Pipeline.plan(tinyModel, fromArray("some", samples), {
      batchSize: 8,
      length: { steps: 9 },
      schedule: { warmup: { steps: 1 } }
    }))
    expect(Pipeline.showPlan(whole)).not.toContain("micro")
    expect(Pipeline.showPlan(whole)).toContain("CPU engine")
  })
})
