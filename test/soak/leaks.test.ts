import * as tf from "@tensorflow/tfjs-core"
import { Effect } from "effect"
import { expect, it } from "vitest"
import { Backend } from "../../lib/backend/index.ts"
import { Pipeline } from "../../pipelines/index.ts"
import { live } from "../../pipelines/node.ts"
import { temporary, tinyConfig, tinyData, tinyModel } from "../pipelines/tiny.ts"

it("tensors, their bytes and the engine's arena are flat over two thousand steps", async () => {
  const tensors = new Set<number>()
  const bytes: Array<{ readonly tensors: number; readonly arena: number; readonly peak: number }> = []
  const program = Effect.gen(function* () {
    const backend = yield* Backend
    const schedule = (step: number): number => {
      const { numTensors, numBytes } = tf.memory()
      if (step >= 100) tensors.add(numTensors)
      if (step === 100 || step === 1999) {
        const { bytesInUse, peakBytes } = Effect.runSync(backend.memory)
        bytes.push({ tensors: numBytes, arena: bytesInUse, peak: peakBytes })
      }
      return 1e-4
    }
    yield* Pipeline.train(
      tinyModel,
      tinyData,
      { ...tinyConfig, length: { steps: 2000 }, checkpoint: { every: 500 } },
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
}, 900_000)
