import { NodeServices } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { rmSync } from "node:fs"
import { afterAll, expect, it } from "vitest"
import { Backend, type BackendShape } from "../../lib/backend/index.ts"
import { unitsOn } from "../../lib/backend/webgpu/engine.ts"
import { planOnWebgpu } from "../../lib/backend/webgpu/planning.ts"
import { checkpointStore } from "../../lib/checkpoint/index.ts"
import { sharpDecoder } from "../../lib/image/sharp.ts"
import type { ClipOf } from "../../lib/models/index.ts"
import { makeDiffClip } from "../../lib/models/index.ts"
import { silentProgress } from "../../lib/track/index.ts"
import { decodeTrainConfig, type TrainConfigInput } from "../../pipelines/config.ts"
import { Pipeline } from "../../pipelines/index.ts"
import { memoryOf } from "../../pipelines/memoryPlan.ts"
import { runIn } from "../../pipelines/run.ts"
import { fromArray } from "../../lib/data/index.ts"
import { samples, temporary, tinyModel } from "../pipelines/tiny.ts"
import { engine } from "./device.ts"

const dir = temporary()
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const { settings, transform } = tinyModel
const { imageSize, patchSize, contextLength, vocabSize } = settings

/** Wide enough for activations to be most of what a step takes. */
const wide: ClipOf<"diffClip"> = makeDiffClip("wide", {
  ...{ imageSize, patchSize: patchSize / 2, contextLength, vocabSize, embedDim: 32 },
  vision: { width: 64, layers: 2, numHeads: 4 },
  text: { width: 64, layers: 2, numHeads: 4 }
}, { tokenTable: transform.text.tokenTable ?? [], truncate: "keepEot" })

/** Captions that fill the context: the text of a batch is cut at its longest, and a plan is made for the longest there is. */
const data = fromArray(
  "long",
  samples.map((sample, i) => ({ ...sample, captions: [Array(6).fill(`picture of number ${i}`).join(" ")] }))
)

const files = Layer.merge(NodeServices.layer, sharpDecoder)

const base: TrainConfigInput = {
  seed: 3,
  length: { steps: 4 },
  schedule: { peak: 1e-3, warmup: { steps: 1 } },
  data: { windowSize: 40, prefetch: 1 }
}

it.each(
  [
    ["whole batches", { ...base, batchSize: 32, checkpointBlocks: "none" }],
    ["micro-batches over kept embeddings", { ...base, batchSize: 32, microBatch: 8, checkpointBlocks: "none" }],
    ["blocks that run again", { ...base, batchSize: 32, checkpointBlocks: "blocks" }]
  ] satisfies ReadonlyArray<readonly [string, TrainConfigInput]>
)(
  "the buffers of a training are predicted within a tenth: %s",
  async (name, input) => {
    const services = Layer.mergeAll(
      silentProgress,
      runIn(`${dir}/${name}`),
      checkpointStore.pipe(Layer.provideMerge(files))
    )
    const { gpu, purge, memory, path, ...opened } = await engine()
    purge()
    const config = Effect.runSync(decodeTrainConfig(input))
    const predicted = memoryOf(wide, config, { planOn: planOnWebgpu(gpu.limits) })?.reachedBytes ?? Number.NaN
    const backend: BackendShape = {
      ...unitsOn(opened),
      ...{ name: "webgpu", path, threads: 1, announcement: path },
      memory: Effect.sync(() => ({ ...memory(), numTensors: 0 }))
    }
    await Effect.runPromise(
      Effect.scoped(Pipeline.train(wide, data, input)).pipe(
        Effect.provide(Layer.merge(services, Layer.succeed(Backend, backend)))
      )
    )
    const measured = memory().peakBytes
    expect(predicted / measured).toBeGreaterThan(0.9)
    expect(predicted / measured).toBeLessThan(1.1)
  }
)
