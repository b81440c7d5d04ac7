import { NodeServices } from "@effect/platform-node"
import * as tf from "@tensorflow/tfjs-core"
import { Effect, Layer } from "effect"
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, it } from "vitest"
import { webgpu } from "../../lib/backend/index.ts"
import { checkpointStore } from "../../lib/checkpoint/index.ts"
import { fromArray } from "../../lib/data/index.ts"
import { sharpDecoder } from "../../lib/image/sharp.ts"
import { makeDiffClip } from "../../lib/models/index.ts"
import { Pipeline, type TrainConfigInput } from "../../pipelines/index.ts"
import { runIn } from "../../pipelines/run.ts"
import { filesOf, linesOf, noting } from "../pipelines/runs.ts"
import { samples, tinyModel } from "../pipelines/tiny.ts"

const tower = { width: 16, layers: 1, numHeads: 2 } as const
const { imageSize, patchSize, contextLength, vocabSize } = tinyModel.settings
const model = makeDiffClip("tiny", {
  ...{ imageSize, patchSize, contextLength, vocabSize, embedDim: 8 },
  vision: tower,
  text: tower
}, { tokenTable: tinyModel.transform.text.tokenTable ?? [], truncate: "keepEot" })

const STEPS = 4
const config: TrainConfigInput = {
  seed: 5,
  length: { steps: STEPS },
  batchSize: 8,
  data: { windowSize: 8, prefetch: 1 },
  checkpoint: { every: 100, snapshotEvery: 2 }
}

/** Destroys the device of the backend in use. */
const destroyDevice = (): void => {
  const backend: object = tf.backend()
  if (!("device" in backend) || !(backend.device instanceof GPUDevice)) throw new Error("no WebGPU backend is in use")
  backend.device.destroy()
}

/** Trains at a constant rate; `destroyAt` is the number of the update before which the device is destroyed. */
const train = (notes: Array<string>, destroyAt?: number) =>
  Effect.gen(function* () {
    const dir = mkdtempSync(join(tmpdir(), "diffclip-loss-"))
    let isDestroyed = false
    const schedule = (step: number): number => {
      if (step === destroyAt && !isDestroyed) {
        isDestroyed = true
        destroyDevice()
      }
      return 1e-3
    }
    const files = checkpointStore.pipe(Layer.provideMerge(Layer.merge(NodeServices.layer, sharpDecoder)))
    yield* Pipeline.train(model, fromArray("eight", samples.slice(0, 8)), config, { schedule }).pipe(
      Effect.scoped,
      Effect.provide(Layer.mergeAll(noting(notes), runIn(dir), files))
    )
    return dir
  })

it(
  "a run whose device is destroyed goes on with a new one from its last copy, and ends with the same bits",
  async () => {
    const notes: Array<string> = []
    const before = tf.memory().numTensors
    const [whole, broken] = await Effect.runPromise(
      Effect.gen(function* () {
        return [yield* train([]), yield* train(notes, 3)] as const
      }).pipe(Effect.provide(webgpu({ softwareAdapter: "allow" })))
    )
    expect(notes.filter((note) => note.includes("was lost"))).toEqual([
      expect.stringMatching(
        /the device of .* was lost \(destroyed\); going on after step 2 of [34] on a new device \(1 of/
      )
    ])
    expect(filesOf(broken, STEPS)).toEqual(filesOf(whole, STEPS))
    const figures = (dir: string) =>
      linesOf(dir, "log.jsonl").map(({ step, loss, gradNorm }) => ({ step, loss, gradNorm }))
    expect(figures(broken)).toEqual(figures(whole))
    expect(figures(whole)).toHaveLength(STEPS)
    expect(tf.memory().numTensors).toBe(before)
  },
  900_000
) // two engines start, with their canaries; compiling is what takes time
