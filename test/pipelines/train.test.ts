import * as tf from "@tensorflow/tfjs-core"
import { Effect, Exit, Fiber, FileSystem, Layer, PlatformError, Stream } from "effect"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import type { Dataset, ImageText, Loss } from "../../lib/api/index.ts"
import { checkpointStore } from "../../lib/checkpoint/index.ts"
import { fromArray } from "../../lib/data/index.ts"
import { contrastive } from "../../lib/losses/index.ts"
import { makeDiffClip } from "../../lib/models/index.ts"
import { adamW, chain, scaleByAdam } from "../../lib/optim/index.ts"
import { value } from "../../lib/tensor/index.ts"
import { Pipeline, type TrainConfigInput, type TrainParts } from "../../pipelines/index.ts"
import { live } from "../../pipelines/node.ts"
import type { DiffClipParams } from "../../lib/models/index.ts"
import { samples, temporary, tinyConfig, tinyData, tinyModel } from "./tiny.ts"

const run = (
  dir: string,
  begin: "fresh" | "resume" = "fresh",
  config: TrainConfigInput = tinyConfig,
  parts: TrainParts<DiffClipParams> = {}
) =>
  Pipeline.train(tinyModel, tinyData, config, parts).pipe(
    Effect.map(({ step }) => step),
    Effect.scoped,
    Effect.provide(live({ dir, begin, progress: "silent" }))
  )

const filesOf = (dir: string, step: number): ReadonlyArray<Buffer> =>
  ["model.safetensors", "optimizer.safetensors"].map((file) =>
    readFileSync(join(dir, "checkpoints", `step-${step}`, file))
  )

const errorOf = <A, E>(exit: Exit.Exit<A, E>): unknown =>
  Exit.isFailure(exit) ? exit.cause.reasons.map((reason) => ("error" in reason ? reason.error : reason))[0] : undefined

/** Interrupts a run once its log has so many lines. */
const interruptAfter = (dir: string, lines: number) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(run(dir))
    const log = join(dir, "log.jsonl")
    const count = (): number => existsSync(log) ? readFileSync(log, "utf8").split("\n").length - 1 : 0
    while (count() < lines) yield* Effect.sleep("1 millis")
    yield* Fiber.interrupt(fiber)
    return count()
  })

describe("Pipeline.train", () => {
  it("writes config, one log line a step, and the newest two checkpoints", async () => {
    const dir = temporary()
    expect(await Effect.runPromise(run(dir))).toBe(18)
    const lines = readFileSync(join(dir, "log.jsonl"), "utf8").trim().split("\n").map((line): unknown =>
      JSON.parse(line)
    )
    expect(lines).toHaveLength(18)
    expect(Object.keys(lines[0] ?? {})).toEqual([
      "step",
      "loss",
      "accuracy",
      "lr",
      "logitScale",
      "gradNorm",
      "lambda",
      "pairsPerSecond",
      "dataWaitMs",
      "peakBytes"
    ])
    expect(existsSync(join(dir, "checkpoints", "step-18"))).toBe(true)
    expect(existsSync(join(dir, "checkpoints", "step-16"))).toBe(true)
    expect(existsSync(join(dir, "checkpoints", "step-12"))).toBe(false)
    const state: unknown = JSON.parse(readFileSync(join(dir, "checkpoints", "step-18", "state.json"), "utf8"))
    expect(state).toMatchObject({
      finished: true,
      step: 18,
      seed: 3,
      enginePath: expect.stringMatching(/^(blas |wasm-)/)
    })
    expect(JSON.parse(readFileSync(join(dir, "config.json"), "utf8"))).toMatchObject({
      steps: 18,
      dataset: { name: "forty" }
    })
  })

  it("interrupted at any step and resumed, it ends with the bits of the uninterrupted run", async () => {
    const whole = temporary()
    await Effect.runPromise(run(whole))
    for (const lines of [1, 6, 13]) {
      const dir = temporary()
      const stopped = await Effect.runPromise(interruptAfter(dir, lines))
      expect(existsSync(join(dir, "checkpoints", `step-${stopped}`))).toBe(true)
      await Effect.runPromise(run(dir, "resume"))
      expect(filesOf(dir, 18)).toEqual(filesOf(whole, 18))
      const log = readFileSync(join(dir, "log.jsonl"), "utf8").trim().split("\n")
      expect(log.map((line) => (JSON.parse(line) as { step: number }).step)).toEqual(
        Array.from({ length: 18 }, (_, i) => i + 1)
      )
    }
  })

  it("gives the same bits with one thread and with two", async () => {
    const [one, two] = [temporary(), temporary()]
    for (const [dir, threads] of [[one, 1], [two, 2]] as const) {
      await Effect.runPromise(
        Pipeline.train(tinyModel, tinyData, tinyConfig).pipe(
          Effect.scoped,
          Effect.provide(live({ dir, threads, progress: "silent" }))
        )
      )
    }
    expect(filesOf(one, 18)).toEqual(filesOf(two, 18))
  })

  it("leaves no tensor behind after success, failure and interruption", async () => {
    const counts = await Effect.runPromise(
      Effect.gen(function* () {
        const before = tf.memory().numTensors
        yield* Pipeline.train(tinyModel, tinyData, { ...tinyConfig, length: { steps: 4 } }).pipe(Effect.scoped)
        return [before, tf.memory().numTensors]
      }).pipe(Effect.provide(live({ dir: temporary(), progress: "silent" })))
    )
    expect(counts[1]).toBe(counts[0])
    const before = tf.memory().numTensors
    await Effect.runPromise(interruptAfter(temporary(), 3))
    expect(tf.memory().numTensors).toBe(before)
    await Effect.runPromiseExit(run(temporary(), "fresh", tinyConfig, { loss: nanAfter(3) }))
    expect(tf.memory().numTensors).toBe(before)
  })

  it("tensors are flat over twenty steps", async () => {
    const counts: Array<number> = []
    const counting: Loss = {
      name: "counting",
      compute: (embeddings) => contrastive.exact.compute(embeddings)
    }
    const schedule = (): number => {
      counts.push(tf.memory().numTensors)
      return 1e-3
    }
    await Effect.runPromise(
      run(temporary(), "fresh", { ...tinyConfig, length: { steps: 20 } }, { loss: counting, schedule })
    )
    expect(counts).toHaveLength(20)
    expect(new Set(counts).size).toBe(1)
  })

  it("a loss that is not finite is a typed error, after the last finite state was saved", async () => {
    const dir = temporary()
    const exit = await Effect.runPromiseExit(run(dir, "fresh", tinyConfig, { loss: nanAfter(5) }))
    expect(errorOf(exit)).toMatchObject({ _tag: "NonFiniteLoss", step: 6, lastFiniteStep: 5 })
    expect(existsSync(join(dir, "checkpoints", "step-5", "model.safetensors"))).toBe(true)
    // What was saved are the bits that a run has when it is interrupted after step 5.
    const plain = temporary()
    await Effect.runPromise(
      run(plain, "fresh", { ...tinyConfig, checkpoint: { every: 5 } }, { loss: nanAfter(6) }).pipe(Effect.exit)
    )
    expect(filesOf(dir, 5)).toEqual(filesOf(plain, 5))
  })

  it("data that fail in the middle are a typed error, and the last whole step is saved", async () => {
    const dir = temporary()
    const broken: Dataset<ImageText, DataBroke> = {
      name: "breaks",
      windows: (plan, from) =>
        Stream.concat(Stream.take(tinyData.windows(plan, from), 2), Stream.fail({ _tag: "DataBroke" as const }))
    }
    const exit = await Effect.runPromiseExit(
      Pipeline.train(tinyModel, broken, { ...tinyConfig, updateFreq: 1, data: { windowSize: 12, prefetch: 1 } }).pipe(
        Effect.scoped,
        Effect.provide(live({ dir, progress: "silent" }))
      )
    )
    expect(errorOf(exit)).toEqual({ _tag: "DataBroke" })
    expect(existsSync(join(dir, "checkpoints", "step-3", "model.safetensors"))).toBe(true) // 24 samples, 8 a step
  })

  it("an epoch with fewer batches than updateFreq is refused instead of read for ever", async () => {
    const small: Dataset<ImageText> = { name: "small", windows: fromArray("small", samples.slice(0, 16)).windows }
    const exit = await Effect.runPromiseExit(
      Pipeline.train(tinyModel, small, { ...tinyConfig, updateFreq: 3 }).pipe(
        Effect.scoped,
        Effect.provide(live({ dir: temporary(), progress: "silent" }))
      )
    )
    expect(errorOf(exit)).toMatchObject({ _tag: "EpochTooSmall" })
  })

  it("refuses to resume with another optimizer, and leaves no tensor behind", async () => {
    const dir = temporary()
    await Effect.runPromise(run(dir, "fresh", tinyConfig, { optimizer: adamW<DiffClipParams>() }))
    const before = tf.memory().numTensors
    const custom = chain<DiffClipParams>(scaleByAdam({ beta1: 0.9, beta2: 0.98, eps: 1e-8 }))
    const exit = await Effect.runPromiseExit(run(dir, "resume", tinyConfig, { optimizer: custom }))
    expect(errorOf(exit)).toMatchObject({ _tag: "CheckpointError", reason: "missingTensor" })
    expect(tf.memory().numTensors).toBe(before)
    expect(errorOf(await Effect.runPromiseExit(run(dir, "resume")))).toMatchObject({
      _tag: "ConfigInvalid",
      message: expect.stringContaining("optimizer")
    })
  })

  it("resumes with another log interval and prefetch, which change no number", async () => {
    const dir = temporary()
    await Effect.runPromise(run(dir))
    const other = { ...tinyConfig, log: { every: 3 }, checkpoint: { every: 7 }, data: { windowSize: 12, prefetch: 1 } }
    expect(await Effect.runPromise(run(dir, "resume", other))).toBe(18)
  })

  it("two runs side by side in one process do not disturb each other", async () => {
    const [one, two, alone] = [temporary(), temporary(), temporary()]
    await Effect.runPromise(
      Effect.all([run(one), run(two, "fresh", { ...tinyConfig, length: { steps: 6 } })], { concurrency: 2 })
    )
    await Effect.runPromise(run(alone))
    expect(filesOf(one, 18)).toEqual(filesOf(alone, 18))
  })

  it("refuses a directory that holds a run, and a resume with another configuration", async () => {
    const dir = temporary()
    await Effect.runPromise(run(dir))
    expect(errorOf(await Effect.runPromiseExit(run(dir)))).toMatchObject({ _tag: "ConfigInvalid" })
    const other = await Effect.runPromiseExit(run(dir, "resume", { ...tinyConfig, batchSize: 4 }))
    expect(errorOf(other)).toMatchObject({ _tag: "ConfigInvalid", message: expect.stringContaining("train.batchSize") })
    expect(await Effect.runPromise(run(dir, "resume"))).toBe(18) // finished: nothing left to do
  })

  it("refuses to resume a checkpoint of another model", async () => {
    const dir = temporary()
    await Effect.runPromise(run(dir))
    const other = makeDiffClip("tiny", { ...tinyModel.settings, lambdaInit: 0.8, embedDim: 12 }, {
      tokenTable: tinyModel.transform.text.tokenTable ?? [],
      truncate: "keepEot"
    })
    const exit = await Effect.runPromiseExit(
      Pipeline.train(other, tinyData, tinyConfig).pipe(
        Effect.scoped,
        Effect.provide(live({ dir, begin: "resume", progress: "silent" }))
      )
    )
    expect(errorOf(exit)).toMatchObject({ _tag: "CheckpointError", reason: "otherModel" })
  })

  it("goes on from the checkpoint before a damaged one", async () => {
    const [dir, whole] = [temporary(), temporary()]
    await Effect.runPromise(run(whole))
    await Effect.runPromise(run(dir))
    writeFileSync(join(dir, "checkpoints", "step-18", "model.safetensors"), "broken")
    await Effect.runPromise(run(dir, "resume"))
    expect(filesOf(dir, 18)).toEqual(filesOf(whole, 18))
  })

  it("an epoch too small for a batch, wrong fields and unknown fields are typed errors", async () => {
    const small = Pipeline.train(tinyModel, fromArray("three", samples.slice(0, 3)), tinyConfig).pipe(
      Effect.scoped,
      Effect.provide(live({ dir: temporary(), progress: "silent" }))
    )
    expect(errorOf(await Effect.runPromiseExit(small))).toMatchObject({ _tag: "ConfigInvalid" })
    const wrong = { ...tinyConfig, optimizer: { beta1: 2 } }
    expect(errorOf(await Effect.runPromiseExit(run(temporary(), "fresh", wrong)))).toMatchObject({
      _tag: "ConfigInvalid",
      issues: [{ path: "optimizer.beta1", message: "Expected a value less than 1, found 2" }]
    })
    const unknown = { ...tinyConfig, batchsize: 3 }
    expect(errorOf(await Effect.runPromiseExit(run(temporary(), "fresh", unknown)))).toMatchObject({
      issues: [expect.objectContaining({ path: "batchsize" })]
    })
  })

  it("on a full disk it fails with a typed error and earlier checkpoints stay good", async () => {
    const dir = temporary()
    let bytesLeft = Infinity
    const full = PlatformError.systemError({
      _tag: "WriteZero",
      module: "FileSystem",
      method: "write",
      description: "no space left on device"
    })
    const limited = Layer.effect(
      FileSystem.FileSystem,
      Effect.map(FileSystem.FileSystem, (fs) => ({
        ...fs,
        open: (path: string, options?: Parameters<typeof fs.open>[1]) =>
          Effect.map(fs.open(path, options), (file): FileSystem.File =>
            Object.assign(Object.create(file), {
              writeAll: (data: Uint8Array) =>
                Effect.suspend(() => {
                  bytesLeft -= data.length
                  return bytesLeft < 0 ? Effect.fail(full) : file.writeAll(data)
                })
            }))
      }))
    )
    const exit = await Effect.runPromiseExit(
      Pipeline.train(tinyModel, tinyData, tinyConfig, {
        schedule: (step) => {
          if (step === 6) bytesLeft = 4000
          return 1e-3
        }
      }).pipe(
        Effect.scoped,
        Effect.provide(Layer.fresh(checkpointStore)),
        Effect.provide(limited),
        Effect.provide(live({ dir, progress: "silent" }))
      )
    )
    expect(errorOf(exit)).toMatchObject({
      _tag: "CheckpointError",
      reason: "write",
      stillGood: join(dir, "checkpoints", "step-4"),
      message: expect.stringContaining("is still good")
    })
    // Though the rescue failed too, the session has its end.
    expect(readFileSync(join(dir, "sessions.jsonl"), "utf8")).toMatch(/"type":"end".*"status":"failed"/)
    expect(await Effect.runPromise(run(dir, "resume", tinyConfig, { schedule: () => 1e-3 }))).toBe(18)
  })
})

interface DataBroke {
  readonly _tag: "DataBroke"
}

/** The exact loss for so many steps, then NaN; two micro-batches a step. */
const nanAfter = (steps: number): Loss => {
  let passes = 0
  return {
    name: "nanAfter",
    compute: (embeddings) => {
      passes += 1
      const result = contrastive.exact.compute(embeddings)
      return passes > 2 * steps ? { ...result, loss: value(tf.scalar(Number.NaN)) } : result
    }
  }
}
