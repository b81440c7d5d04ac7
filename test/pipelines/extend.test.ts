import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { warmupCosine } from "../../lib/optim/index.ts"
import { overlay, paperRecipe } from "../../pipelines/config.ts"
import { Pipeline, type TrainConfigInput } from "../../pipelines/index.ts"
import { checkSameRun } from "../../pipelines/sameRun.ts"
import { at, errorOf, filesOf, interruptWhen, jsonOf, linesOf, quick, stateOf } from "./runs.ts"
import { temporary, tinyData, tinyModel } from "./tiny.ts"

const train = (
  dir: string,
  steps: number,
  begin: "fresh" | "resume" | "extend" = "fresh",
  more: TrainConfigInput = {}
) =>
  Pipeline.train(tinyModel, tinyData, { ...quick, length: { steps }, ...more }).pipe(
    Effect.map(({ step }) => step),
    Effect.scoped,
    Effect.provide(at(dir, begin))
  )

const errorIn = async (run: ReturnType<typeof train>): Promise<unknown> => errorOf(await Effect.runPromiseExit(run))

describe("a longer schedule", () => {
  it("is refused on resume, with the way to ask for it, and nothing in the run is changed", async () => {
    const dir = temporary()
    await Effect.runPromise(train(dir, 6))
    const before = filesOf(dir, 6)
    const longer = await errorIn(train(dir, 9, "resume"))
    expect(longer).toMatchObject({ _tag: "ConfigInvalid", issues: [{ path: "length" }] })
    expect(longer).toMatchObject({ message: expect.stringMatching(/expected the 6 steps .* found 9: .*--extend/) })
    expect(await errorIn(train(dir, 4, "resume"))).toMatchObject({ issues: [{ path: "length" }] })
    expect(filesOf(dir, 6)).toEqual(before)
    expect(jsonOf(dir, "config.json")).toMatchObject({ steps: 6, history: [] })
    expect(await Effect.runPromise(train(dir, 6, "resume"))).toBe(6)
  })

  it("that is asked for has the new length's rates from the stored step on, and is recorded as history", async () => {
    const dir = temporary()
    await Effect.runPromise(train(dir, 6))
    expect(await Effect.runPromise(train(dir, 9, "extend"))).toBe(9)
    const rates = (steps: number) => warmupCosine({ peak: 1e-3, start: 1e-6, end: 1e-5, warmupSteps: 3, steps })
    const expected = Array.from({ length: 9 }, (_, i) => rates(i < 6 ? 6 : 9)(i))
    expect(linesOf(dir, "log.jsonl").map(({ lr }) => lr)).toEqual(expected)
    const history = [{ step: 6, from: 6, to: 9 }]
    expect(jsonOf(dir, "config.json")).toMatchObject({ steps: 9, train: { length: { steps: 9 } }, history })
    expect(stateOf(dir, 9)).toMatchObject({ finished: true, extra: { run: { steps: 9, history } } })
    // Asked again it is a plain resume; a second extension is added to the first.
    expect(await Effect.runPromise(train(dir, 9, "extend"))).toBe(9)
    expect(await Effect.runPromise(train(dir, 10, "extend"))).toBe(10)
    expect(jsonOf(dir, "config.json")["history"]).toEqual([...history, { step: 9, from: 9, to: 10 }])
  })

  it("interrupted and resumed, an extended run has the bits of one that was not interrupted", async () => {
    const [whole, dir] = [temporary(), temporary()]
    for (const each of [whole, dir]) await Effect.runPromise(train(each, 5))
    await Effect.runPromise(train(whole, 12, "extend"))
    await Effect.runPromise(interruptWhen(train(dir, 12, "extend"), () => linesOf(dir, "log.jsonl").length >= 8))
    expect(await Effect.runPromise(train(dir, 12, "resume"))).toBe(12)
    expect(filesOf(dir, 12)).toEqual(filesOf(whole, 12))
  })

  it("must be longer, of a run that is there, and changes nothing else", async () => {
    const dir = temporary()
    expect(await errorIn(train(dir, 6, "extend"))).toMatchObject({
      _tag: "ConfigInvalid",
      message: expect.stringContaining("expected a run to extend")
    })
    await Effect.runPromise(train(dir, 6))
    expect(await errorIn(train(dir, 5, "extend"))).toMatchObject({
      message: expect.stringContaining("expected more than the run's 6 steps to extend it, found 5")
    })
    expect(await errorIn(train(dir, 9, "extend", { schedule: { peak: 2e-3, warmup: { steps: 3 } } }))).toMatchObject({
      message: expect.stringContaining("train.schedule.peak")
    })
  })

  it("epochs that come to the same number of steps are the same length", () => {
    const record = (length: object) => ({ steps: 10, train: overlay(quick, { length }) })
    const same = checkSameRun("run", record({ steps: 10 }), record({ epochs: 2 }), 4, "resume")
    expect(Effect.runSync(same)).toEqual([])
  })

  it("fields that a later version added are what the earlier one did", () => {
    const old = { steps: 10, train: { batchSize: 8 } }
    const now = { steps: 10, validate: null, init: null, history: [], train: { batchSize: 8, tune: [] } }
    const completed = { ...now, train: overlay({ ...paperRecipe, textCut: "none" }, now.train) }
    expect(Effect.runSync(checkSameRun("run", old, completed, 4, "resume"))).toEqual([])
  })
})
