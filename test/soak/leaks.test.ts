import * as tf from "@tensorflow/tfjs-core"
import { Effect } from "effect"
import { expect, it } from "vitest"
import { Backend } from "../../lib/backend/index.ts"
import { Pipeline, type TrainConfigInput } from "../../pipelines/index.ts"
import { live } from "../../pipelines/node.ts"
import { temporary, tinyConfig, tinyData, tinyModel } from "../pipelines/tiny.ts"

const whole = { ...tinyConfig, batchSize: 16, updateFreq: 1 }
/** What a step can do, and for how many of them it is watched. */
const modes: Readonly<Record<string, { readonly steps: number; readonly config: TrainConfigInput }>> = {
  "micro-batches with their own negatives": { steps: 2000, config: tinyConfig },
  "cached embeddings, the last micro-batch smaller": { steps: 1000, config: { ...whole, microBatch: 6 } },
  "clipped gradients": { steps: 1000, config: { ...whole, gradientClip: { maxNorm: 0.1 } } },
  "blocks that run again": { steps: 1000, config: { ...whole, checkpointBlocks: "blocks" } },
  "a frozen image tower": { steps: 1000, config: { ...whole, tune: [{ paths: "visual", lrScale: 0 }] } },
  "all of these at once": {
    steps: 1000,
    config: {
      ...whole,
      microBatch: 6,
      gradientClip: { maxNorm: 0.1 },
      checkpointBlocks: "blocks",
      tune: [{ paths: "visual", lrScale: 0 }]
    }
  }
}

it.each(Object.entries(modes))(
  "tensors, their bytes and the engine's arena are flat over a thousand steps and more: %s",
  async (_, { steps, config }) => {
    const tensors = new Set<number>()
    const bytes: Array<{ readonly tensors: number; readonly arena: number; readonly peak: number }> = []
    const program = Effect.gen(function* () {
      const backend = yield* Backend
      const schedule = (step: number): number => {
        const { numTensors, numBytes } = tf.memory()
        if (step >= 100) tensors.add(numTensors)
        if (step === 100 || step === steps - 1) {
          const { bytesInUse, peakBytes } = Effect.runSync(backend.memory)
          bytes.push({ tensors: numBytes, arena: bytesInUse, peak: peakBytes })
        }
        return 1e-4
      }
      yield* Pipeline.train(
        tinyModel,
        tinyData,
        { ...config, length: { steps }, checkpoint: { every: 500 } },
        { schedule }
      )
    })
    await Effect.runPromise(
      program.pipe(Effect.scoped, Effect.provide(live({ dir: temporary(), progress: "silent" })))
    )
    const [early, late] = bytes
    expect(early?.arena).toBeGreaterThanOrEqual(early?.tensors ?? Infinity)
    expect(late).toEqual(early)
    expect(tensors.size).toBe(1)
  },
  900_000
)
