import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import type { Dataset, ImageLabel, ImageText, LabelledDataset } from "../../lib/api/index.ts"
import { Dataset as Data, fromArray } from "../../lib/data/index.ts"
import { retrieval, zeroShot } from "../../lib/eval/index.ts"
import { makeDiffClip } from "../../lib/models/index.ts"
import { Pipeline, type TrainConfigInput, type WidthMismatch } from "../../pipelines/index.ts"
import { live } from "../../pipelines/node.ts"
import { samples, temporary, tinyConfig, tinyData, tinyModel } from "./tiny.ts"

const services = () => live({ dir: temporary(), progress: "silent" })
const short: TrainConfigInput = { ...tinyConfig, length: { steps: 1 }, schedule: { warmup: { steps: 0 } } }
const trained = Pipeline.train(tinyModel, tinyData, short)

/** Counts how often a window is read: a picture that is decoded again is a window that is read again. */
const counting = (dataset: Dataset<ImageText>): readonly [Dataset<ImageText>, () => number] => {
  let reads = 0
  return [{
    ...dataset,
    windows: (plan, from) => {
      reads += 1
      return dataset.windows(plan, from)
    }
  }, () => reads]
}

describe("Pipeline.embedDataset", () => {
  it("gives the numbers of an evaluation on pictures, and reads the data set once", async () => {
    const [pairs, reads] = counting(tinyData)
    const [direct, cached] = await Effect.runPromise(
      Effect.gen(function* () {
        const model = yield* trained
        const embeddings = yield* Pipeline.embedDataset(model, pairs)
        const before = reads()
        const results = yield* Effect.all([
          Pipeline.evaluate(model, retrieval, tinyData),
          Pipeline.evaluate(model, retrieval, embeddings),
          Pipeline.evaluate(model, retrieval, embeddings)
        ])
        expect([before, reads()]).toEqual([1, 1])
        expect(results[2]).toEqual(results[1])
        return results
      }).pipe(Effect.scoped, Effect.provide(services()))
    )
    expect(cached).toEqual(direct)
  })

  it("keeps class names and templates, so that zero-shot reads it", async () => {
    const labelled: LabelledDataset<ImageLabel> = {
      ...fromArray("labelled", samples.map(({ key, image }, i) => ({ key, image, label: i % 2 }))),
      classNames: ["number 1", "number 2"],
      templates: ["a picture of {}"]
    }
    const [direct, cached] = await Effect.runPromise(
      Effect.gen(function* () {
        const model = yield* trained
        const embeddings = yield* Pipeline.embedDataset(labelled)(model)
        return [
          yield* Pipeline.evaluate(zeroShot, labelled)(model),
          yield* Pipeline.evaluate(zeroShot, embeddings)(model)
        ]
      }).pipe(Effect.scoped, Effect.provide(services()))
    )
    expect(cached).toEqual(direct)
  })

  it("refuses a model of another width with both widths, where the compiler could not see them", async () => {
    const { kind: _, lambdaInit: __, ...sizes } = tinyModel.settings
    const wide = makeDiffClip("wide", { ...sizes, embedDim: Number("12") }, {
      truncate: "keepEot",
      tokenTable: tinyModel.transform.text.tokenTable ?? []
    })
    const error: WidthMismatch | Error = await Effect.runPromise(
      Effect.gen(function* () {
        const embeddings = yield* Pipeline.embedDataset(yield* trained, tinyData)
        const other = yield* Pipeline.train(wide, tinyData, short).pipe(Effect.provide(services()))
        return yield* Effect.flip(Pipeline.evaluate(other, retrieval, embeddings))
      }).pipe(Effect.scoped, Effect.provide(services()))
    )
    expect(error).toMatchObject({ _tag: "WidthMismatch", dataset: "forty", expected: 12, found: 8 })
    expect(error.message).toContain("expected cached embeddings 12 wide, as this model's are, found 8 for forty")
  })
})

describe("what embedDataset gives", () => {
  it("has no source that would lose the embeddings, and says so where mixing has lost them", async () => {
    const [errors, keys] = await Effect.runPromise(
      Effect.gen(function* () {
        const model = yield* trained
        const stored = fromArray("stored", samples)
        const embeddings = yield* Pipeline.embedDataset(model, stored)
        const mixed = Data.concat(embeddings, stored)
        // @ts-expect-error take needs a data set that knows its source
        const take = () => Data.take(embeddings, 3)
        expect(take).toBeTypeOf("function")
        const mapped = Data.map(embeddings, (sample) => ({ ...sample, image: { ...sample.image } }))
        const same = Data.map(embeddings, (sample) => ({ ...sample }))
        expect(yield* Pipeline.evaluate(model, retrieval, same)).toEqual(
          yield* Pipeline.evaluate(model, retrieval, stored).pipe(
            Effect.map((result) => ({ ...result, dataset: "stored" }))
          )
        )
        const failures = [
          yield* Effect.flip(Pipeline.evaluate(model, retrieval, mixed)),
          yield* Effect.flip(Pipeline.evaluate(model, retrieval, mapped))
        ]
        return [failures, Object.keys(embeddings)]
      }).pipe(Effect.scoped, Effect.provide(services()))
    )
    expect(keys).not.toContain("source")
    expect(keys).not.toContain("options")
    for (const error of errors ?? []) {
      expect(error).toMatchObject({ _tag: "WidthMismatch", expected: 8, found: 0 })
      expect(error).toHaveProperty("message", expect.stringContaining("before Pipeline.embedDataset, not after"))
    }
  })
})

describe("the verbs", () => {
  it("take the model first or last, with the same result", async () => {
    const texts = { texts: ["number 3"] }
    const [first, last, scores] = await Effect.runPromise(
      Effect.gen(function* () {
        const model = yield* trained
        const pair = [
          yield* Pipeline.evaluate(model, retrieval, tinyData),
          yield* Pipeline.evaluate(retrieval, tinyData)(model)
        ]
        return [[yield* Pipeline.embed(model, texts), pair[0]], [yield* Pipeline.embed(texts)(model), pair[1]], pair]
      }).pipe(Effect.scoped, Effect.provide(services()))
    )
    expect(last).toEqual(first)
    expect(scores).toHaveLength(2)
  })

  it("compose by pipe, and Pipeline.run runs what has all its services", async () => {
    const program = Pipeline.train(tinyModel, tinyData, short).pipe(
      Effect.flatMap(Pipeline.evaluate(retrieval, tinyData)),
      Effect.scoped,
      Effect.provide(services())
    )
    expect((await Pipeline.run(program)).n).toBe(80)
    await expect(Pipeline.run(Effect.fail(new Error("no")))).rejects.toThrow("no")
  })
})
