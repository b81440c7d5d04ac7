import "@tensorflow/tfjs-backend-cpu"
import * as tf from "@tensorflow/tfjs-core"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import type { ImageText } from "../../lib/api/index.ts"
import { Backend, cpu, planOnCpu } from "../../lib/backend/index.ts"
import { contrastive } from "../../lib/losses/index.ts"
import type { Clip, DiffClipParams } from "../../lib/models/index.ts"
import { diffClip, makeDiffClip } from "../../lib/models/index.ts"
import { adamW } from "../../lib/optim/index.ts"
import { fold, keyOf, uniform } from "../../lib/tensor/index.ts"
import { paperRecipe, presets, type TrainConfig } from "../../pipelines/index.ts"
import { type PlannedStep, planStep } from "../../pipelines/planStep.ts"
import { disposePosition } from "../../pipelines/position.ts"
import { firstPosition } from "../../pipelines/startPosition.ts"
import { makeStep } from "../../pipelines/training.ts"

type Asked = Partial<TrainConfig>

const small = makeDiffClip("small", {
  imageSize: 64,
  patchSize: 8,
  vision: { width: 96, layers: 3, numHeads: 4 },
  text: { width: 64, layers: 2, numHeads: 4 },
  contextLength: 20,
  vocabSize: 49408,
  embedDim: 48
}, { truncate: "keepEot" })

const planned = (model: Clip<DiffClipParams>, asked: Asked): PlannedStep =>
  planStep({
    model,
    loss: contrastive.exact,
    optimizer: adamW<DiffClipParams>(),
    config: { ...paperRecipe, ...asked }
  }, planOnCpu)

const picturesOf = (count: number, side: number): ReadonlyArray<ImageText> =>
  Array.from({ length: count }, (_, i) => ({
    key: `sample-${i}`,
    image: { width: side, height: side, data: Uint8Array.from(uniform(fold(keyOf(1), i), side * side * 3, 0, 256)) },
    captions: [`a picture of number ${i}`]
  }))

/** The engine's peak over two steps of a run. */
const measured = (model: Clip<DiffClipParams>, asked: Asked): Promise<{ peakBytes: number; reachedBytes: number }> =>
  Effect.runPromise(
    Effect.gen(function* () {
      const backend = yield* Backend
      const config: TrainConfig = { ...paperRecipe, textCut: "none", ...asked } // a plan is for the longest captions
      const recipe = {
        ...{ model, loss: contrastive.exact, optimizer: adamW<DiffClipParams>(), schedule: () => 1e-3, config, backend }
      }
      const position = yield* firstPosition(recipe, undefined)
      const step = makeStep(recipe)
      const batch = {
        samples: picturesOf(config.batchSize, model.settings.imageSize),
        cursor: { epoch: 0, delivered: config.batchSize }
      }
      const batches = Array.from({ length: config.updateFreq }, () => batch)
      for (let i = 0; i < 2; i++) yield* step(position, batches, 0, () => Effect.void)
      const { peakBytes } = yield* backend.memory
      disposePosition(position)
      return { peakBytes, reachedBytes: 0 }
    }).pipe(Effect.scoped, Effect.provide(cpu({ threads: 2 })))
  )

const cases: Readonly<Record<string, { readonly model: Clip<DiffClipParams>; readonly asked: Asked }>> = {
  "golden in one pass": { model: presets.golden.model, asked: { batchSize: 32 } },
  "tiny with micro-batches of which the last is smaller": {
    model: presets.tiny.model,
    asked: { batchSize: 60, microBatch: 16 }
  },
  "tiny with two batches accumulated": { model: presets.tiny.model, asked: { batchSize: 24, updateFreq: 2 } },
  "a larger one with blocks that run again": { model: small, asked: { batchSize: 32, checkpointBlocks: "blocks" } },
  "a larger one with many micro-batches": { model: small, asked: { batchSize: 96, microBatch: 16 } },
  "a larger one with clipped gradients": {
    model: small,
    asked: { batchSize: 32, gradientClip: { maxNorm: 1 } }
  }
}

describe("planStep", () => {
  for (const [name, { model, asked }] of Object.entries(cases)) {
    it(`gives the engine's peak to half a percent: ${name}`, async () => {
      const plan = planned(model, asked)
      const { peakBytes } = await measured(model, asked)
      expect(Math.abs(plan.peakBytes / peakBytes - 1)).toBeLessThan(0.005)
    }, 60_000)
  }

  it("leaves no tensor, and the backend that was in use", () => {
    const { numTensors } = tf.memory() // asks for a backend, where there is none yet
    const before = { name: tf.engine().backendName, numTensors }
    planned(presets.golden.model, { batchSize: 64, microBatch: 16 })
    planned(presets.golden.model, { batchSize: 64 })
    expect({ name: tf.engine().backendName, numTensors: tf.memory().numTensors }).toEqual(before)
  })

  it("plans the paper's batch of 4096 in the time of a small one, and counts its products", () => {
    const begin = performance.now()
    const plan = planned(diffClip, { batchSize: 4096, microBatch: 64 })
    expect(performance.now() - begin).toBeLessThan(5000)
    expect(plan.work.productFlops / (4 * 4096 * 41e9)).toBeCloseTo(1, 1) // twice forward, and back for twice as much
    expect(plan.peakBytes).toBeGreaterThan(16 * diffClip.numParameters)
  })
})
