import { Cause, Effect, Exit, Layer } from "effect"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"
import { diffClip } from "../../lib/models/index.ts"
import { MemoryShort, Pipeline, type TrainConfigInput } from "../../pipelines/index.ts"
import { at, noting } from "./runs.ts"
import { temporary, tinyConfig, tinyData, tinyModel } from "./tiny.ts"

/** A step whose activations alone take terabytes. */
const huge: TrainConfigInput = {
  length: { steps: 2 },
  schedule: { warmup: { steps: 1 } },
  batchSize: 40,
  data: { windowSize: 100_000_000 }
}

const hugeData = { ...tinyData, numSamples: 100_000_000 }

it("a run that the machine would not hold is refused before it begins, and says what takes the memory", async () => {
  const dir = temporary()
  const exit = await Effect.runPromiseExit(
    Pipeline.train(diffClip, hugeData, huge).pipe(Effect.scoped, Effect.provide(at(dir)))
  )
  const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  if (!(error instanceof MemoryShort)) throw new Error(`expected MemoryShort, found ${String(error)}`)
  expect(error.predictedBytes).toBeGreaterThan(error.availableBytes)
  expect(error.message).toContain("decoded pictures")
  expect(error.message).toContain("data.windowSize")
  expect(existsSync(join(dir, "config.json"))).toBe(false)
}, 60_000)

it("memoryCheck warn trains all the same and says so; the choice of auto is on record", async () => {
  const dir = temporary()
  const notes: Array<string> = []
  const input: TrainConfigInput = {
    ...{ ...tinyConfig, length: { steps: 4 }, memoryCheck: "warn" },
    data: { ...tinyConfig.data, windowSize: 1_000_000_000 }
  }
  const data = { ...tinyData, numSamples: 1_000_000_000 }
  await Effect.runPromise(
    Pipeline.train(tinyModel, data, input).pipe(
      Effect.scoped,
      Effect.provide(Layer.mergeAll(at(dir), noting(notes)))
    )
  )
  expect(notes.join("\n")).toContain("memory: the run would take")
  const { train } = JSON.parse(readFileSync(join(dir, "config.json"), "utf8"))
  expect(train).toMatchObject({ memoryCheck: "warn", checkpointBlocks: "blocks" })
}, 60_000)
