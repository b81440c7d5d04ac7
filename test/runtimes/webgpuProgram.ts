/**
 * What test/runtimes/webgpu.test.ts runs on Deno with a software adapter: golden cases, a tiny training twice and once on
 * the CPU engine, a device error. Arguments: a golden directory and a folder to train into. One JSON object on stdout.
 */
import { NodeServices } from "@effect/platform-node"
import * as tf from "@tensorflow/tfjs-core"
import { Cause, Effect, Exit, Layer } from "effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import { Backend, BackendError, cpu, ExceedsLimit, type UnitError, webgpu } from "../../lib/backend/index.ts"
import { checkpointStore } from "../../lib/checkpoint/index.ts"
import { fromArray } from "../../lib/data/index.ts"
import { sharpDecoder } from "../../lib/image/sharp.ts"
import { makeDiffClip } from "../../lib/models/index.ts"
import { silentProgress } from "../../lib/track/index.ts"
import { Pipeline, type TrainConfigInput } from "../../pipelines/index.ts"
import { runIn } from "../../pipelines/run.ts"
import { renderRows, verify } from "../../pipelines/verify/index.ts"
import { samples, tinyModel } from "../pipelines/tiny.ts"

const [goldens = "", out = ""] = process.argv.slice(2)
const files = Layer.merge(NodeServices.layer, sharpDecoder)

/** One layer a tower: SwiftShader needs a second for the 1300 dispatches of a step. */
const tower = { width: 32, layers: 1, numHeads: 4 } as const
const { imageSize, patchSize, contextLength, vocabSize } = tinyModel.settings
const model = makeDiffClip("tiny", {
  ...{ imageSize, patchSize, contextLength, vocabSize, embedDim: 16 },
  vision: tower,
  text: tower
}, { tokenTable: tinyModel.transform.text.tokenTable ?? [], truncate: "keepEot" })

/** One batch, which each step sees anew: even a model this small learns it. */
const data = fromArray("eight", samples.slice(0, 8))

const RATE = 1e-3

const config = (steps: number): TrainConfigInput => ({
  seed: 5,
  length: { steps },
  batchSize: 8,
  augmentation: { scale: [1, 1], ratio: [1, 1] },
  data: { windowSize: 8, prefetch: 1 }
})

interface Entry {
  readonly loss: number
  readonly gradNorm: number
  readonly logitScale: number
  readonly lambda: Readonly<Record<string, number>>
  readonly peakBytes: number
}

/** Trains into a folder on the backend at hand, at a constant rate; what the log says of each step. */
const train = (name: string, steps: number) => {
  const dir = join(out, name)
  const services = Layer.mergeAll(silentProgress, runIn(dir), checkpointStore.pipe(Layer.provideMerge(files)))
  return Effect.gen(function* () {
    const begin = performance.now()
    yield* Pipeline.train(model, data, config(steps), { schedule: () => RATE }).pipe(
      Effect.scoped,
      Effect.provide(services)
    )
    const seconds = (performance.now() - begin) / 1000
    const lines = readFileSync(join(dir, "log.jsonl"), "utf8").trim().split("\n")
    const log = lines.map((line): Entry => JSON.parse(line))
    return {
      seconds,
      losses: log.map(({ loss }) => loss),
      bytes: log.map(({ peakBytes }) => peakBytes),
      figures: log.map(({ loss, gradNorm, logitScale, lambda }) => ({ loss, gradNorm, logitScale, lambda }))
    }
  })
}

const describe = <A>(exit: Exit.Exit<A, UnitError>): { readonly tag: string; readonly message: string } => {
  const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  return error instanceof BackendError || error instanceof ExceedsLimit ?
    { tag: error._tag, message: error.message } :
    { tag: "none", message: "" }
}

/** How a unit ends that asks for a buffer of 4 GiB, and what comes after it. */
const breakDevice = Effect.gen(function* () {
  const { sync, read } = yield* Backend
  const tooLarge = sync(() => void tf.tidy(() => tf.square(tf.fill([2 ** 15, 2 ** 15], 2))))
  return [
    describe(yield* Effect.exit(tooLarge)),
    describe(yield* Effect.exit(Effect.flatMap(sync(() => tf.scalar(1)), read)))
  ]
})

const onWebgpu = Effect.gen(function* () {
  const { announcement, path } = yield* Backend
  const ready = performance.now()
  const report = yield* verify(goldens, yield* Backend).pipe(Effect.provide(files))
  const verified = performance.now()
  const before = tf.memory().numTensors
  const [first, second] = [yield* train("first", 20), yield* train("second", 6)]
  const tensorsLeft = tf.memory().numTensors - before
  const { bytesInUse: bytesLeft } = yield* (yield* Backend).memory
  return {
    announcement,
    path,
    secondsToBeReady: ready / 1000,
    verify: {
      seconds: (verified - ready) / 1000,
      rows: renderRows(report),
      passed: report.passed,
      failed: report.failed
    },
    first,
    second,
    tensorsLeft,
    bytesLeft,
    faults: yield* breakDevice
  }
}).pipe(Effect.provide(webgpu({ softwareAdapter: "allow" })))

const program = Effect.gen(function* () {
  const gpu = yield* onWebgpu
  const host = yield* train("cpu", 20).pipe(Effect.provide(cpu()))
  process.stdout.write(`${JSON.stringify({ ...gpu, cpu: host })}\n`)
})

await Effect.runPromise(program)
