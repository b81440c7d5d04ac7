/**
 * Memory and time of a whole training step on the CPU engine, predicted and measured: gradients with both moments of AdamW
 * and the update. With micro-batches of 64 for batches of 64 to 4096 (what grows is embeddings [B, E]); in one pass with
 * blocks that keep their intermediates or run again; and ViT-B/16. `tiny` is 16 px, width 64, 4 layers, context 16; `small`
 * a ViT-S/16 at 112 px, width 384, 12 layers, context 32; `ti` a ViT-Ti/16 at 224 px. Each figure is of a process of its
 * own, because peaks never fall.
 * Prints one JSON object a line (DESIGN section 5): `median` is the engine's peak, the process's (VmHWM) in MiB, or the
 * time of the second step in ms; `predicted` what the plan says of it, at the product speed that was measured beside it.
 * Usage: node --conditions=source test/bench/memory.ts [--large]; `--large` adds ViT-B/16 at batch 256, minutes.
 */
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { loadavg } from "node:os"
import process from "node:process"
import { fileURLToPath } from "node:url"
import * as tf from "@tensorflow/tfjs-core"
import { Effect } from "effect"
import type { ImageText } from "../../lib/api/index.ts"
import { Backend, cpu, planOnCpu } from "../../lib/backend/index.ts"
import { contrastive } from "../../lib/losses/index.ts"
import { type Clip, diffClip, type DiffClipParams, makeDiffClip, vit } from "../../lib/models/index.ts"
import { adamW } from "../../lib/optim/index.ts"
import { keyOf, uniform } from "../../lib/tensor/index.ts"
import { memoryOf, paperRecipe } from "../../pipelines/index.ts"
import { firstPosition } from "../../pipelines/startPosition.ts"
import { makeStep } from "../../pipelines/training.ts"

const tower = { width: 64, layers: 4, numHeads: 4 }
const wide = { width: 384, layers: 12, numHeads: 6 }
const sizes = { vocabSize: 49408 }
const models = {
  tiny: makeDiffClip("tiny", {
    ...sizes,
    ...{ imageSize: 16, patchSize: 4, vision: tower, text: tower, contextLength: 16, embedDim: 64 }
  }, { truncate: "keepEot" }),
  small: makeDiffClip("small", {
    ...sizes,
    ...{ imageSize: 112, patchSize: 16, vision: wide, text: wide, contextLength: 32, embedDim: 384 }
  }, { truncate: "keepEot" }),
  ti: makeDiffClip("ti", vit("Ti/16")),
  base: diffClip
} satisfies Readonly<Record<string, Clip<DiffClipParams>>>
type Size = keyof typeof models
type Blocks = "none" | "blocks"
type Run = readonly [Size, number, number, Blocks]

const runs: ReadonlyArray<Run> = [
  ...[64, 128, 256, 512, 1024, 2048, 4096].map((batch) => ["tiny", batch, 64, "none"] as const),
  ["tiny", 256, 256, "none"],
  ["tiny", 256, 256, "blocks"],
  ["small", 16, 16, "none"],
  ["small", 16, 16, "blocks"],
  ["ti", 16, 16, "none"],
  ["base", 8, 8, "none"],
  ["base", 8, 8, "blocks"]
]
const large: ReadonlyArray<Run> = [["base", 256, 16, "none"]]

const isOf = (name: string | undefined): name is Size => name !== undefined && Object.keys(models).includes(name)

const MIB = 2 ** 20

/** The process's peak so far in bytes, as Linux counts it; NaN elsewhere. */
const processPeak = (): number => {
  try {
    return 1024 * Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? Number.NaN)
  } catch {
    return Number.NaN
  }
}

const SIDE = 1024

/** GFLOP/s of a plain product, the best of eight. */
const productSpeed = Effect.gen(function* () {
  const backend = yield* Backend
  const times: Array<number> = []
  const a = yield* backend.sync(() => tf.fill([SIDE, SIDE], 0.5))
  for (let i = 0; i < 9; i++) {
    const begin = performance.now()
    yield* backend.sync(() => tf.matMul(a, a).dispose())
    times.push(performance.now() - begin)
  }
  a.dispose()
  return 2 * SIDE ** 3 / Math.min(...times) / 1e6
})

/** Two steps, or one where a step takes minutes; prints engine's peak, process's peak and the last step's time. */
const measure = (name: Size, batchSize: number, microBatch: number, checkpointBlocks: Blocks) =>
  Effect.gen(function* () {
    const backend = yield* Backend
    const model: Clip<DiffClipParams> = models[name]
    const before = processPeak()
    const gflops = yield* productSpeed
    const side = model.settings.imageSize
    const image = { width: side, height: side, data: Uint8Array.from(uniform(keyOf(1), side * side * 3, 0, 256)) }
    const samples: ReadonlyArray<ImageText> = Array.from({ length: batchSize }, (_, i) => ({
      key: `sample-${i}`,
      image,
      captions: [`a picture of number ${i}`]
    }))
    const config = { ...paperRecipe, textCut: "none" as const, batchSize, microBatch, checkpointBlocks }
    const plan = memoryOf(model, config, {
      planOn: planOnCpu,
      threads: backend.threads,
      speed: { gflops, gigaElements: 5 }
    })
    if (plan === undefined) throw new Error(`${name} at ${microBatch} is larger than the engine`)
    const recipe = {
      ...{ model, loss: contrastive.exact, optimizer: adamW<DiffClipParams>(), schedule: () => 1e-3, config, backend }
    }
    const position = yield* firstPosition(recipe, undefined)
    const step = makeStep(recipe)
    let ms = 0
    for (let i = 0; i < (batchSize * model.numParameters > 1e10 ? 1 : 2); i++) {
      const begin = performance.now()
      yield* step(position, [{ samples, cursor: { epoch: 0, delivered: batchSize } }], 0, () => Effect.void)
      ms = performance.now() - begin
    }
    const { peakBytes } = yield* backend.memory
    const blocks = checkpointBlocks === "none" ? "keep" : "run again"
    const shape = `${name}, batch ${batchSize}, micro-batch ${microBatch}, blocks ${blocks}`
    const common = { backend: `${backend.name} ${backend.path}`, runtime: "node", shape }
    const load = Number((loadavg()[0] ?? Number.NaN).toPrecision(3))
    const print = (what: string, unit: string, median: number, predicted: number): void =>
      console.log(JSON.stringify({
        ...{ name: what, ...common, unit, median: Number(median.toFixed(2)), predicted: Number(predicted.toFixed(2)) },
        ...{ ratio: Number((predicted / median).toFixed(4)), runs: 1, load }
      }))
    print("memory", "MiB", peakBytes / MIB, plan.engineBytes / MIB)
    const { runtime, batch } = plan.host
    print("process-memory", "MiB", processPeak() / MIB, (before + plan.reachedBytes + runtime + batch) / MIB)
    print("memory", "ms", ms, 1000 * plan.secondsPerStep)
  }).pipe(Effect.provide(cpu()))

const [size, batch, micro, blocks] = process.argv.slice(2)
if (isOf(size)) {
  await Effect.runPromise(measure(size, Number(batch), Number(micro), blocks === "blocks" ? "blocks" : "none"))
} else {
  for (const run of [...runs, ...(size === "--large" ? large : [])]) {
    spawnSync(process.execPath, ["--conditions=source", fileURLToPath(import.meta.url), ...run.map(String)], {
      stdio: "inherit"
    })
  }
}
