import * as tf from "@tensorflow/tfjs-core"
import { Effect, Exit, Fiber } from "effect"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import type { Loss } from "../../lib/api/index.ts"
import { Backend, cpu } from "../../lib/backend/index.ts"
import { contrastive } from "../../lib/losses/index.ts"
import { adamW } from "../../lib/optim/index.ts"
import { keyOf, value } from "../../lib/tensor/index.ts"
import { paperRecipe, Pipeline, type TrainConfig, type TrainConfigInput } from "../../pipelines/index.ts"
import { type Held, makeGradients } from "../../pipelines/gradients.ts"
import { live } from "../../pipelines/node.ts"
import { disposeStep } from "../../pipelines/trainStep.ts"
import { samples, temporary, tinyConfig, tinyData, tinyModel } from "./tiny.ts"

/** Batches of 16 in micro-batches of 6, 6 and 4. */
const config: TrainConfigInput = { ...tinyConfig, batchSize: 16, updateFreq: 1, microBatch: 6, length: { steps: 12 } }

const run = (dir: string, input: TrainConfigInput = config, begin: "fresh" | "resume" = "fresh") =>
  Pipeline.train(tinyModel, tinyData, input).pipe(
    Effect.map(({ step }) => step),
    Effect.scoped,
    Effect.provide(live({ dir, begin, progress: "silent" }))
  )

const filesOf = (dir: string, step = 12): ReadonlyArray<Buffer> =>
  ["model.safetensors", "optimizer.safetensors"].map((file) =>
    readFileSync(join(dir, "checkpoints", `step-${step}`, file))
  )

const logOf = (dir: string): ReadonlyArray<{ readonly loss: number; readonly gradNorm: number }> =>
  readFileSync(join(dir, "log.jsonl"), "utf8").trim().split("\n").map((line) => JSON.parse(line))

describe("Pipeline.train with microBatch", () => {
  it("learns what the whole batch learns: the same losses and gradient norms", async () => {
    const [whole, parts] = [temporary(), temporary()]
    await Effect.runPromise(run(whole, { ...config, microBatch: 16 }))
    await Effect.runPromise(run(parts))
    const [expected, found] = [logOf(whole), logOf(parts)]
    // The first step differs by rounding alone; later ones by what twelve updates make of it.
    expect(Math.abs((found[0]?.gradNorm ?? NaN) / (expected[0]?.gradNorm ?? NaN) - 1)).toBeLessThan(1e-6)
    found.forEach(({ loss }, i) => expect(loss).toBeCloseTo(expected[i]?.loss ?? NaN, 4))
  })

  it("as large as the batch or larger it is the ordinary step, bit for bit", async () => {
    const whole = temporary()
    await Effect.runPromise(run(whole, { ...config, microBatch: null }))
    for (const microBatch of [16, 1000]) {
      const parts = temporary()
      await Effect.runPromise(run(parts, { ...config, microBatch }))
      expect(filesOf(parts)).toEqual(filesOf(whole))
    }
  })

  it("interrupted between passes and resumed, it ends with the bits of the uninterrupted run, and leaves no tensor", async () => {
    const [whole, dir] = [temporary(), temporary()]
    await Effect.runPromise(run(whole))
    const before = tf.memory().numTensors
    await Effect.runPromise(Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(run(dir))
      const log = join(dir, "log.jsonl")
      const lines = (): number => existsSync(log) ? readFileSync(log, "utf8").split("\n").length - 1 : 0
      while (lines() < 5) yield* Effect.yieldNow
      yield* Fiber.interrupt(fiber)
    }))
    expect(tf.memory().numTensors).toBe(before)
    await Effect.runPromise(run(dir, config, "resume"))
    expect(filesOf(dir)).toEqual(filesOf(whole))
  })

  it("a loss that is not finite stops before the update, with the last finite step saved and no tensor left", async () => {
    const dir = temporary()
    const before = tf.memory().numTensors
    let losses = 0
    const loss: Loss = {
      name: "nanAfterThree",
      compute: (embeddings) => {
        losses += 1
        const result = contrastive.exact.compute(embeddings)
        return losses > 3 ? { ...result, loss: value(tf.scalar(Number.NaN)) } : result
      }
    }
    const exit = await Effect.runPromiseExit(
      Pipeline.train(tinyModel, tinyData, config, { loss }).pipe(
        Effect.scoped,
        Effect.provide(live({ dir, progress: "silent" }))
      )
    )
    expect(JSON.stringify(exit)).toContain("NonFiniteLoss")
    expect(losses).toBe(4) // one loss a step, whatever the number of micro-batches
    expect(filesOf(dir, 3)).toHaveLength(2)
    expect(tf.memory().numTensors).toBe(before)
  })

  it("beside updateFreq it is refused", async () => {
    const exit = await Effect.runPromiseExit(run(temporary(), { ...config, updateFreq: 2 }))
    expect(JSON.stringify(exit)).toContain("ConfigInvalid")
    expect(JSON.stringify(exit)).toContain("microBatch")
    expect(Exit.isFailure(exit)).toBe(true)
  })
})

describe("Pipeline.train with gradientClip", () => {
  it("logs the norm before clipping; a norm that is never reached changes no bit, a small one does", async () => {
    const [plain, loose, tight] = [temporary(), temporary(), temporary()]
    const short = { ...tinyConfig, length: { steps: 6 }, schedule: { warmup: { steps: 1 } } }
    await Effect.runPromise(run(plain, short))
    await Effect.runPromise(run(loose, { ...short, gradientClip: { maxNorm: 1e6 } }))
    await Effect.runPromise(run(tight, { ...short, gradientClip: { maxNorm: 0.01 } }))
    expect(filesOf(loose, 6)).toEqual(filesOf(plain, 6))
    expect(filesOf(tight, 6)[1]).not.toEqual(filesOf(plain, 6)[1])
    expect(logOf(tight)[0]?.gradNorm).toBe(logOf(plain)[0]?.gradNorm)
    expect(logOf(tight)[0]?.gradNorm).toBeGreaterThan(0.01)
  })
})

describe("Pipeline.train with checkpointBlocks", () => {
  it("changes no bit, also beside microBatch", async () => {
    for (const input of [{ ...tinyConfig, length: { steps: 12 } }, config]) {
      const [kept, recomputed] = [temporary(), temporary()]
      await Effect.runPromise(run(kept, input))
      await Effect.runPromise(run(recomputed, { ...input, checkpointBlocks: "blocks" }))
      expect(filesOf(recomputed)).toEqual(filesOf(kept))
    }
  })
})

const many = Array.from({ length: 512 }, (_, i) => samples[i % samples.length]).filter((sample) => sample !== undefined)

describe("the engine's peak with microBatch", () => {
  it("at batch 512 is that at batch 256, but for the embeddings and their gradients [B, E]", async () => {
    const peaks = await Effect.runPromise(
      Effect.gen(function* () {
        const backend = yield* Backend
        const params = tinyModel.init(keyOf(1))
        const peakOf = (batchSize: number, microBatch: number, checkpointBlocks: TrainConfig["checkpointBlocks"]) =>
          Effect.gen(function* () {
            const settings: TrainConfig = { ...paperRecipe, batchSize, microBatch, checkpointBlocks, textCut: "none" }
            const recipe = {
              model: tinyModel,
              loss: contrastive.exact,
              optimizer: adamW<typeof params>(),
              schedule: () => 1e-3,
              config: settings,
              backend
            }
            const held: Held<typeof params> = { gradients: undefined }
            const cursor = { epoch: 0, delivered: batchSize }
            yield* makeGradients(recipe)(params, [{ samples: many.slice(0, batchSize), cursor }], held)
            if (held.gradients !== undefined) disposeStep(held.gradients)
            return (yield* backend.memory).peakBytes // the most so far: sizes are tried from small to large
          })
        const small = yield* peakOf(256, 128, "none")
        const large = yield* peakOf(512, 128, "none")
        const recomputed = yield* peakOf(512, 512, "blocks")
        const whole = yield* peakOf(512, 512, "none")
        return { small, large, recomputed, whole }
      }).pipe(Effect.scoped, Effect.provide(cpu()))
    )
    // While a micro-batch of 128 is pulled back, the gradients of 512 pairs' embeddings are held: two [B, E]. The loss on
    // [B, B] alone stays below that peak here. 1024 bytes: the arena rounds blocks up to 64.
    expect(peaks.large - peaks.small).toBeLessThanOrEqual(4 * 2 * (512 - 256) * tinyModel.embedDim + 1024)
    expect(peaks.whole).toBeGreaterThan(3 * peaks.large)
    expect(peaks.recomputed).toBeLessThan(0.7 * peaks.whole) // two layers: one block's intermediates instead of two
  })
})
