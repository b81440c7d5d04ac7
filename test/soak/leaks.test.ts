import * as tf from "@tensorflow/tfjs-core"
import { Effect } from "effect"
import { expect, it } from "vitest"
import { Pipeline } from "../../pipelines/index.ts"
import { live } from "../../pipelines/node.ts"
import { temporary, tinyConfig, tinyData, tinyModel } from "../pipelines/tiny.ts"

it("tensors and bytes are flat over two thousand steps", async () => {
  const seen: Array<string> = []
  let bytes = 0
  const schedule = (step: number): number => {
    const memory = tf.memory()
    if (step === 100) bytes = memory.numBytes
    if (step >= 100) seen.push(`${memory.numTensors}`)
    if (step === 1999) expect(memory.numBytes).toBe(bytes)
    return 1e-4
  }
  await Effect.runPromise(
    Pipeline.train(
      tinyModel,
      tinyData,
      { ...tinyConfig, length: { steps: 2000 }, checkpoint: { every: 500 } },
      { schedule }
    ).pipe(Effect.scoped, Effect.provide(live({ dir: temporary(), progress: "silent" })))
  )
  expect(new Set(seen).size).toBe(1)
}, 900_000)
