/**
 * The CPU engine's peak, and the time, of one step's gradients: with micro-batches of 64 for batches of 64 to 4096 (the
 * peak grows by embeddings [B, E] and, in the loss, by 256 rows of its logits), and for one pass with blocks that keep their
 * intermediates or run again. `tiny` is 16 px, width 64, 4 layers, context 16; `small` a ViT-S/16 at 112 px, width 384, 12
 * layers, context 32. Each figure is of a process of its own, because an engine's peak never falls; weights and
 * gradients are in it, AdamW's moments are not.
 * Prints one JSON object a line (DESIGN section 5): `median` is the peak in MiB, or the time of the one run in ms.
 * Usage: node --conditions=source test/bench/memory.ts
 */
import { spawnSync } from "node:child_process"
import { loadavg } from "node:os"
import process from "node:process"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import type { ImageText } from "../../lib/api/index.ts"
import { Backend, cpu } from "../../lib/backend/index.ts"
import { contrastive } from "../../lib/losses/index.ts"
import { makeDiffClip } from "../../lib/models/index.ts"
import { adamW } from "../../lib/optim/index.ts"
import { fold, keyOf, uniform } from "../../lib/tensor/index.ts"
import { paperRecipe, type TrainConfig } from "../../pipelines/index.ts"
import { type Held, makeGradients } from "../../pipelines/gradients.ts"

const tower = { width: 64, layers: 4, numHeads: 4 }
const wide = { width: 384, layers: 12, numHeads: 6 }
const models = {
  tiny: { imageSize: 16, patchSize: 4, vision: tower, text: tower, contextLength: 16, embedDim: 64 },
  small: { imageSize: 112, patchSize: 16, vision: wide, text: wide, contextLength: 32, embedDim: 384 }
}
type Size = keyof typeof models
type Blocks = TrainConfig["checkpointBlocks"]

const runs: ReadonlyArray<readonly [Size, number, number, Blocks]> = [
  ...[64, 128, 256, 512, 1024, 2048, 4096].map((batch) => ["tiny", batch, 64, "none"] as const),
  ["tiny", 256, 256, "none"],
  ["tiny", 256, 256, "blocks"],
  ["small", 16, 16, "none"],
  ["small", 16, 16, "blocks"]
]

const isOf = (name: string | undefined): name is Size => name === "tiny" || name === "small"

/** One step's gradients; prints the engine's peak and the milliseconds that the step took. */
const measure = (name: Size, batchSize: number, microBatch: number, checkpointBlocks: Blocks) =>
  Effect.gen(function* () {
    const backend = yield* Backend
    const model = makeDiffClip(name, { ...models[name], vocabSize: 49408 }, { truncate: "keepEot" })
    const params = model.init(keyOf(1))
    const side = models[name].imageSize
    const samples: ReadonlyArray<ImageText> = Array.from({ length: batchSize }, (_, i) => ({
      key: `sample-${i}`,
      image: { width: side, height: side, data: Uint8Array.from(uniform(fold(keyOf(1), i), side * side * 3, 0, 256)) },
      captions: [`a picture of number ${i}`]
    }))
    const gradients = makeGradients({
      model,
      loss: contrastive.exact,
      optimizer: adamW<typeof params>(),
      schedule: () => 1e-3,
      config: { ...paperRecipe, batchSize, microBatch, checkpointBlocks },
      backend
    })
    const held: Held<typeof params> = { gradients: undefined }
    const start = performance.now()
    yield* gradients(params, [{ samples, cursor: { epoch: 0, delivered: batchSize } }], held)
    const ms = performance.now() - start
    const { peakBytes } = yield* backend.memory
    const shape = `${name}, batch ${batchSize}, micro-batch ${microBatch}, blocks ${
      checkpointBlocks === "none" ? "keep" : "run again"
    }`
    const common = { name: "memory", backend: `${backend.name} ${backend.path}`, runtime: "node", shape }
    const load = Number((loadavg()[0] ?? NaN).toPrecision(3))
    console.log(
      JSON.stringify({ ...common, unit: "MiB", median: Number((peakBytes / 2 ** 20).toFixed(2)), runs: 1, load })
    )
    console.log(JSON.stringify({ ...common, unit: "ms", median: Number(ms.toPrecision(4)), runs: 1, load }))
  }).pipe(Effect.provide(cpu()))

const [size, batch, micro, blocks] = process.argv.slice(2)
if (isOf(size)) {
  await Effect.runPromise(measure(size, Number(batch), Number(micro), blocks === "blocks" ? "blocks" : "none"))
} else {
  for (const run of runs) {
    spawnSync(process.execPath, ["--conditions=source", fileURLToPath(import.meta.url), ...run.map(String)], {
      stdio: "inherit"
    })
  }
}
