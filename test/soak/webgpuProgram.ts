/**
 * What test/soak/webgpu.test.ts runs with a software adapter: so many tiny steps into a folder. One JSON object on stdout:
 * from the tenth step on, every number of tensors, and how the bytes of buffers grew. Arguments: the folder, the steps.
 */
import * as tf from "@tensorflow/tfjs-core"
import { Effect } from "effect"
import process from "node:process"
import { Backend } from "../../lib/backend/index.ts"
import { makeDiffClip } from "../../lib/models/index.ts"
import { Pipeline } from "../../pipelines/index.ts"
import { live } from "../../pipelines/node.ts"
import { tinyConfig, tinyData, tinyModel } from "../pipelines/tiny.ts"

const [dir = "", steps = "1000"] = process.argv.slice(2)
const { imageSize, patchSize, contextLength, vocabSize } = tinyModel.settings
const tower = { width: 16, layers: 1, numHeads: 4 } as const
const model = makeDiffClip("tiny", {
  ...{ imageSize, patchSize, contextLength, vocabSize, embedDim: 8 },
  vision: tower,
  text: tower
}, { tokenTable: tinyModel.transform.text.tokenTable ?? [], truncate: "keepEot" })

const WARM = 100

const program = Effect.gen(function* () {
  const backend = yield* Backend
  const tensors = new Set<number>()
  const peaks = new Set<number>()
  const schedule = (step: number): number => {
    if (step >= WARM) {
      tensors.add(tf.memory().numTensors)
      peaks.add(Effect.runSync(backend.memory).peakBytes)
    }
    return 1e-4
  }
  const config = { ...tinyConfig, updateFreq: 1, length: { steps: Number(steps) }, checkpoint: { every: 500 } }
  yield* Pipeline.train(model, tinyData, config, { schedule })
  process.stdout.write(`${JSON.stringify({ tensors: [...tensors], peaks: [...peaks] })}\n`)
})

await Effect.runPromise(
  program.pipe(
    Effect.scoped,
    Effect.provide(live({ dir, progress: "silent", backend: "webgpu", softwareAdapter: "allow" }))
  )
)
process.exit(0) // Dawn keeps a process alive
