import { Effect, Exit } from "effect"
import { existsSync, rmSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import type { Evaluation, Evaluator, ImageLabel, ImageText, LabelledDataset } from "../../lib/api/index.ts"
import { CheckpointStore } from "../../lib/checkpoint/index.ts"
import { fromArray } from "../../lib/data/index.ts"
import { retrieval, zeroShot } from "../../lib/eval/index.ts"
import { isBetter, validationsSince } from "../../pipelines/bestCheckpoint.ts"
import { Pipeline } from "../../pipelines/index.ts"
import { at, errorOf, filesOf, interruptWhen, jsonOf, linesOf, noting, quick, stateOf } from "./runs.ts"
import { samples, temporary, tinyData, tinyModel } from "./tiny.ts"

const held = fromArray("held", samples.slice(0, 6))

interface Score extends Evaluation {
  readonly metrics: { readonly score: number; readonly other: number }
}

/** A protocol whose score is made of the first embedding, or of how often it was asked. */
const scored = (
  score: (embedding: number, asked: number) => number,
  asking: () => Effect.Effect<void> = () => Effect.void
): Evaluator<ImageText, Score> => {
  let asked = 0
  return {
    name: "scored",
    run: (encoders, dataset) =>
      Effect.gen(function* () {
        yield* asking()
        const { data } = yield* encoders.encodeImages(samples.slice(0, 1).map(({ image }) => image))
        const metrics = { score: score(data[0] ?? NaN, asked++), other: 0 }
        return { protocol: "scored", dataset: dataset.name, n: 1, metrics, chance: { score: 0, other: 0 } }
      })
  }
}

/** A score that climbs and falls with the weights. */
const waving = scored((embedding) => Math.round(Math.sin(1e4 * embedding) * 1e6))

const run = (
  dir: string,
  evaluator: Evaluator<ImageText, Score>,
  { every = 2, patience, begin = "fresh", steps = 12, mode = "max", notes = [] }: {
    readonly every?: number
    readonly patience?: number
    readonly begin?: "fresh" | "resume" | "extend"
    readonly steps?: number
    readonly mode?: "max" | "min"
    readonly notes?: Array<string>
  } = {}
) =>
  Pipeline.train(tinyModel, tinyData, { ...quick, length: { steps } }, {
    validate: {
      every,
      evaluator,
      dataset: held,
      metric: "score",
      mode,
      ...(patience === undefined ? {} : { patience })
    }
  }).pipe(
    Effect.map(({ step }) => step),
    Effect.scoped,
    Effect.provide(noting(notes)),
    Effect.provide(at(dir, begin))
  )

const withoutCounts = (lines: ReturnType<typeof linesOf>) =>
  lines.map(({ step, validation, isBest }) => ({ step, validation, isBest }))

describe("validate inside training", () => {
  it("changes no weight, logs each validation, and keeps the best checkpoint beside the newest two", async () => {
    const [plain, dir] = [temporary(), temporary()]
    await Effect.runPromise(
      Pipeline.train(tinyModel, tinyData, quick).pipe(Effect.scoped, Effect.provide(at(plain)))
    )
    // Best at the second of six validations, that is step 4; then worse and worse.
    await Effect.runPromise(run(dir, scored((_, asked) => 5 - Math.abs(asked - 1))))
    expect(filesOf(dir, 12)).toEqual(filesOf(plain, 12))
    const lines = linesOf(dir, "validation.jsonl")
    expect(lines.map(({ step }) => step)).toEqual([2, 4, 6, 8, 10, 12])
    expect(lines.map(({ isBest }) => isBest)).toEqual([true, true, false, false, false, false])
    expect(lines[1]).toEqual({
      step: 4,
      protocol: "scored",
      dataset: "held",
      n: 1,
      validation: { score: 5, other: 0 },
      chance: { score: 0, other: 0 },
      metric: "score",
      isBest: true
    })
    expect(stateOf(dir, 12)).toMatchObject({ finished: true, best: { step: 4, metric: "score", value: 5 } })
    expect([2, 4, 5, 10, 12].map((step) => existsSync(join(dir, "checkpoints", `step-${step}`)))).toEqual(
      [false, true, false, true, true]
    )
    const loaded = await Effect.runPromise(
      Effect.flatMap(CheckpointStore, (store) => store.load(dir)).pipe(Effect.provide(at(dir)))
    )
    expect(loaded.state?.step).toBe(4)
    expect(jsonOf(dir, "config.json")).toMatchObject({
      validate: {
        every: 2,
        protocol: "scored",
        dataset: { name: "held" },
        metric: "score",
        mode: "max",
        patience: null
      }
    })
  })

  it("the last step is validated though it is no multiple", async () => {
    const dir = temporary()
    await Effect.runPromise(run(dir, waving, { every: 5, steps: 7 }))
    expect(linesOf(dir, "validation.jsonl").map(({ step }) => step)).toEqual([5, 7])
  })

  it("interrupted at any moment and resumed, decisions and bits are those of the uninterrupted run", async () => {
    const whole = temporary()
    await Effect.runPromise(run(whole, waving))
    for (const moment of ["step 3", "in a validation", "in the last validation"]) {
      const dir = temporary()
      let asked = 0
      const slow = scored(
        (embedding) => Math.round(Math.sin(1e4 * embedding) * 1e6),
        () => Effect.andThen(Effect.sync(() => asked++), Effect.sleep("50 millis"))
      )
      const isTime = moment === "step 3" ?
        () => linesOf(dir, "log.jsonl").length >= 3 :
        () => asked >= (moment === "in a validation" ? 2 : 6)
      await Effect.runPromise(interruptWhen(run(dir, slow), isTime))
      expect(existsSync(join(dir, "checkpoints", "step-12")) && stateOf(dir, 12)["finished"]).not.toBe(true)
      expect(await Effect.runPromise(run(dir, waving, { begin: "resume" }))).toBe(12)
      expect(filesOf(dir, 12)).toEqual(filesOf(whole, 12))
      expect(withoutCounts(linesOf(dir, "validation.jsonl"))).toEqual(withoutCounts(linesOf(whole, "validation.jsonl")))
      expect(stateOf(dir, 12)["best"]).toEqual(stateOf(whole, 12)["best"])
    }
  })

  it("a session that ends in the validation that a resume owes has its end and its page, failed or interrupted", async () => {
    const dir = temporary()
    let asked = 0
    const hanging = scored(() => 1, () => Effect.andThen(Effect.sync(() => void asked++), Effect.never))
    await Effect.runPromise(interruptWhen(run(dir, hanging), () => asked === 1))
    const notes: Array<string> = []
    await Effect.runPromise(interruptWhen(run(dir, hanging, { begin: "resume", notes }), () => asked === 2))
    expect(notes.at(-1)).toBe(`stopped; step 2 is saved at ${join(dir, "checkpoints", "step-2")}`)
    rmSync(join(dir, "report.html"))
    const failing = scored(() => 1, () => Effect.die(new Error("no score")))
    expect(Exit.isFailure(await Effect.runPromiseExit(run(dir, failing, { begin: "resume" })))).toBe(true)
    expect(existsSync(join(dir, "report.html"))).toBe(true)
    const ends = linesOf(dir, "sessions.jsonl").map(({ type, status, step }) => [type, status, step])
    const begin = ["begin", undefined, 2]
    expect(ends.slice(1)).toEqual([["end", "stopped", 2], begin, ["end", "stopped", 2], begin, ["end", "failed", 2]])
    expect(await Effect.runPromise(run(dir, waving, { begin: "resume" }))).toBe(12)
  })

  it("patience ends the run, which then is finished; a longer schedule that is asked for goes on", async () => {
    const dir = temporary()
    const falling = scored((_, asked) => -asked)
    const notes: Array<string> = []
    const options = { patience: 2 }
    expect(await Effect.runPromise(run(dir, falling, { ...options, notes }))).toBe(6)
    expect(linesOf(dir, "validation.jsonl").map(({ step }) => step)).toEqual([2, 4, 6])
    expect(stateOf(dir, 6)).toMatchObject({ finished: true, best: { step: 2, metric: "score" } })
    expect(existsSync(join(dir, "checkpoints", "step-2"))).toBe(true)
    expect(notes.at(-1)).toBe("stopping after step 6: no better score in 2 validations, the best is 0 at step 2")
    // A resume has nothing left to do.
    expect(await Effect.runPromise(run(dir, falling, { ...options, begin: "resume" }))).toBe(6)
    expect(linesOf(dir, "validation.jsonl")).toHaveLength(3)
    // From the extension on patience counts anew: steps 8 and 10.
    const sinking = scored((_, asked) => -100 - asked)
    expect(await Effect.runPromise(run(dir, sinking, { ...options, begin: "extend", steps: 20 }))).toBe(10)
    expect(stateOf(dir, 10)).toMatchObject({ finished: true, best: { step: 2 } })
  })

  it("interrupted and resumed, patience ends the run at the same step", async () => {
    const [whole, dir] = [temporary(), temporary()]
    const first = scored((embedding) => Math.round(embedding * 1e6))
    const ends = await Effect.runPromise(run(whole, first, { patience: 1, mode: "max" }))
    await Effect.runPromise(
      interruptWhen(run(dir, first, { patience: 1 }), () => linesOf(dir, "log.jsonl").length >= 2)
    )
    expect(await Effect.runPromise(run(dir, first, { patience: 1, begin: "resume" }))).toBe(ends)
    expect(filesOf(dir, ends)).toEqual(filesOf(whole, ends))
    expect(stateOf(dir, ends)["best"]).toEqual(stateOf(whole, ends)["best"])
  })

  it("a metric that is no number is never the best", async () => {
    const dir = temporary()
    await Effect.runPromise(run(dir, scored((_, asked) => (asked === 1 ? 3 : NaN)), { steps: 6 }))
    expect(linesOf(dir, "validation.jsonl").map(({ isBest }) => isBest)).toEqual([false, true, false])
    expect(stateOf(dir, 6)["best"]).toEqual({ step: 4, metric: "score", value: 3 })
    expect(isBetter(NaN, null, "max")).toBe(false)
    expect(isBetter(Infinity, null, "max")).toBe(false)
  })

  it("less is better where mode says min, and equal is not better", () => {
    const best = { step: 2, metric: "loss", value: 1 }
    expect([0.5, 1, 2].map((value) => isBetter(value, best, "min"))).toEqual([true, false, false])
    expect([0.5, 1, 2].map((value) => isBetter(value, best, "max"))).toEqual([false, false, true])
    expect(validationsSince(4, 10, 2)).toBe(3)
    expect(validationsSince(0, 9, 5)).toBe(1)
  })

  it("refuses counts that are none, a metric that the protocol has not, and another validation on resume", async () => {
    const fails = async (validate: object): Promise<unknown> => {
      const parts = { validate: { every: 2, evaluator: retrieval, dataset: held, metric: "recall", ...validate } }
      const training = Pipeline.train(tinyModel, tinyData, quick, parts)
      return errorOf(await Effect.runPromiseExit(training.pipe(Effect.scoped, Effect.provide(at(temporary())))))
    }
    expect(await fails({ every: 0 })).toMatchObject({ _tag: "ConfigInvalid", issues: [{ path: "validate.every" }] })
    expect(await fails({ patience: 0.5 })).toMatchObject({ issues: [{ path: "validate.patience" }] })
    expect(await fails({})).toMatchObject({
      _tag: "ConfigInvalid",
      message: expect.stringMatching(
        /validate.metric: expected a metric of retrieval \(.*imageRetrievalRecall@1.*found recall/
      )
    })
    const dir = temporary()
    await Effect.runPromise(run(dir, waving, { steps: 4 }))
    expect(errorOf(await Effect.runPromiseExit(run(dir, waving, { steps: 4, every: 3, begin: "resume" }))))
      .toMatchObject({ _tag: "ConfigInvalid", message: expect.stringContaining("validate.every") })
  })
})

declare const labels: LabelledDataset<ImageLabel>

/** Compositions that must not compile; never called. */
export const misuse = (): ReadonlyArray<unknown> => [
  Pipeline.train(tinyModel, tinyData, {}, {
    validate: { every: 1, evaluator: zeroShot, dataset: labels, metric: "top1" }
  }),
  Pipeline.train(tinyModel, tinyData, {}, {
    // @ts-expect-error zero-shot needs labels, class names and templates
    validate: { every: 1, evaluator: zeroShot, dataset: held, metric: "top1" }
  }),
  Pipeline.train(tinyModel, tinyData, {}, {
    // @ts-expect-error retrieval needs captions
    validate: { every: 1, evaluator: retrieval, dataset: labels, metric: "imageRetrievalRecall@1" }
  }),
  Pipeline.train(tinyModel, tinyData, {}, {
    // @ts-expect-error zero-shot has no such metric
    validate: { every: 1, evaluator: zeroShot, dataset: labels, metric: "topOne" }
  })
]
