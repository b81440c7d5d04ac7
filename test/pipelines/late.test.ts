import * as tf from "@tensorflow/tfjs-core"
import { Effect, type Exit, Layer } from "effect"
import { describe, expect, it } from "vitest"
import type { Loss, Optimizer } from "../../lib/api/index.ts"
import type { Backend } from "../../lib/backend/index.ts"
import { checkpointStore } from "../../lib/checkpoint/index.ts"
import { contrastive } from "../../lib/losses/index.ts"
import type { DiffClipParams } from "../../lib/models/index.ts"
import { adamW } from "../../lib/optim/index.ts"
import { silentProgress } from "../../lib/track/index.ts"
import { Pipeline, type TrainConfigInput } from "../../pipelines/index.ts"
import { files } from "../../pipelines/node.ts"
import { runIn } from "../../pipelines/run.ts"
import { engineOf, lateBackend, type LateEngine } from "./lateEngine.ts"
import { errorOf, filesOf, linesOf, noting, stateOf, weightsOf } from "./runs.ts"
import { temporary, tinyConfig, tinyData, tinyModel } from "./tiny.ts"

const STEPS = 10
const config: TrainConfigInput = {
  ...tinyConfig,
  length: { steps: STEPS },
  updateFreq: 1,
  checkpoint: { every: 6, snapshotEvery: 4 }
}

interface Options {
  readonly kind?: "late" | "now"
  readonly config?: TrainConfigInput
  readonly notes?: Array<string>
  readonly loss?: Loss
  readonly optimizer?: Optimizer<DiffClipParams, unknown>
}

/** Trains into a fresh directory; no tensor is left. */
const train = async (
  engine: LateEngine,
  { kind = "late", notes = [], loss, optimizer, config: asked = config }: Options = {}
): Promise<{ readonly dir: string; readonly exit: Exit.Exit<unknown, unknown> }> => {
  const dir = temporary()
  const backend: Layer.Layer<Backend> = lateBackend(engine, kind)
  const services = Layer.mergeAll(
    backend,
    silentProgress.pipe(Layer.provideMerge(noting(notes))),
    runIn(dir),
    checkpointStore.pipe(Layer.provideMerge(files))
  )
  const before = tf.memory().numTensors
  const parts = { ...(loss === undefined ? {} : { loss }), ...(optimizer === undefined ? {} : { optimizer }) }
  const exit = await Effect.runPromise(
    Pipeline.train(tinyModel, tinyData, asked, parts).pipe(
      Effect.scoped,
      Effect.provide(Layer.mergeAll(services, noting(notes))),
      Effect.exit
    )
  )
  expect(tf.memory().numTensors - before, "tensors left").toBe(0)
  return { dir, exit }
}

/** What does not depend on how long a step took. */
const figuresOf = (dir: string) =>
  linesOf(dir, "log.jsonl").map(({ step, loss, accuracy, lr, logitScale, gradNorm, lambda }) => ({
    ...{ step, loss, accuracy, lr, logitScale, gradNorm, lambda }
  }))

/** A loss that is not a number from its n-th call on. */
const nanAfter = (calls: number): Loss => {
  let left = calls
  return {
    name: "nan",
    compute: (embeddings) => {
      const result = contrastive.exact.compute(embeddings)
      left -= 1
      if (left >= 0) return result
      const { loss } = contrastive.exact.compute({
        ...embeddings,
        logitScale: {
          ...embeddings.logitScale,
          tensor: tf.tidy(() => tf.mul(embeddings.logitScale.tensor, Number.NaN))
        }
      })
      return { ...result, loss }
    }
  }
}

/** An optimizer that cannot be told to do nothing. */
const { init, update } = adamW<DiffClipParams>()

describe("training on an engine that answers late", () => {
  it("gives the bits and the figures of one that answers at once, each under its own step", async () => {
    const [late, now] = [await train(engineOf()), await train(engineOf(), { kind: "now" })]
    for (const step of [6, STEPS]) expect(filesOf(late.dir, step)).toEqual(filesOf(now.dir, step))
    expect(figuresOf(late.dir)).toHaveLength(STEPS)
    expect(figuresOf(late.dir)).toEqual(figuresOf(now.dir))
  })

  it("reads once a step, and waits when the next step's passes are encoded", async () => {
    const engine = engineOf()
    const checkpoint = { every: 6, snapshotEvery: null }
    const { exit } = await train(engine, {
      config: { ...config, length: { steps: 3 }, schedule: { warmup: { steps: 1 } }, checkpoint }
    })
    expect(exit).toMatchObject({ _tag: "Success" })
    const [, ...asked] = engine.asked // the first unit places the weights
    expect(asked).toEqual([
      ...["unit", "unit", "began to read"],
      ...["unit", "waited", "unit", "began to read"],
      ...["unit", "waited", "unit", "began to read", "waited"]
    ])
  })

  it.each([
    ["the fused optimizer", {}],
    ["an optimizer that cannot be told to do nothing", { optimizer: { init, update } }]
  ])("a step that is not finite stops it as soon, with the same error and state: %s", async (_, options) => {
    const loss = () => nanAfter(7)
    const late = await train(engineOf(), { ...options, loss: loss() })
    const now = await train(engineOf(), { ...options, loss: loss(), kind: "now" })
    const [a, b] = [errorOf(late.exit), errorOf(now.exit)]
    expect(a).toMatchObject({ _tag: "NonFiniteLoss", step: 8, lastFiniteStep: 7 })
    expect(b).toMatchObject({ _tag: "NonFiniteLoss", step: 8, lastFiniteStep: 7 })
    expect(filesOf(late.dir, 7)).toEqual(filesOf(now.dir, 7))
    expect(figuresOf(late.dir)).toEqual(figuresOf(now.dir))
    const state = ({ step, cursor, extra }: Readonly<Record<string, unknown>>) => ({ step, cursor, extra })
    expect(state(stateOf(late.dir, 7)).cursor).toEqual(state(stateOf(now.dir, 7)).cursor)
  })
})

describe("training on a device that is lost", () => {
  it("goes on from the newest copy, wherever it is lost, and ends with the bits of a run that was not", async () => {
    const engine = engineOf(1e6)
    const whole = await train(engine)
    const numAnswers = 1e6 - engine.answersLeft
    // The units of the first steps, then copies and checkpoints too: most answers are reads of these.
    for (const answers of [2, 11, ...[0.4, 0.75].map((part) => Math.round(part * numAnswers))]) {
      const { dir, exit } = await train(engineOf(answers, [Infinity]))
      expect(exit, `${answers} of ${numAnswers}`).toMatchObject({ _tag: "Success" })
      expect(filesOf(dir, STEPS)).toEqual(filesOf(whole.dir, STEPS))
      expect(figuresOf(dir), `${answers}`).toEqual(figuresOf(whole.dir))
    }
    expect(errorOf((await train(engineOf(0, [Infinity]))).exit)).toMatchObject({ _tag: "DeviceLost" }) // no run yet
  }, 240_000)

  it("says each time where it goes on, and gives up after three times with the last checkpoint on disk", async () => {
    const notes: Array<string> = []
    const engine = engineOf(700, [400, 400, 150])
    const { dir, exit } = await train(engine, { notes, config: { ...config, checkpoint: { every: 2 } } })
    expect(engine.numRestarts).toBe(3)
    expect(errorOf(exit)).toMatchObject({ _tag: "DeviceLost", message: expect.stringMatching(/lost 4 times/) })
    expect(notes.filter((note) => /device of a card was lost \(destroyed\); going on after step \d+ of \d+/.test(note)))
      .toHaveLength(3)
    expect((await weightsOf(dir)).size).toBeGreaterThan(10)
  })

  it("fails with DeviceLost where there is no new device, and says so", async () => {
    const { exit } = await train(engineOf(30))
    expect(errorOf(exit)).toMatchObject({ _tag: "DeviceLost", message: expect.stringMatching(/no new device/) })
  })
})
