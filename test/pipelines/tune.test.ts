import { Effect } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { readSafetensors } from "../../lib/checkpoint/index.ts"
import type { DiffClipParams } from "../../lib/models/index.ts"
import { specsOf } from "../../lib/nn/index.ts"
import { adamW } from "../../lib/optim/index.ts"
import { layerwiseDecay, lockedImage, Pipeline, type TrainConfigInput, type TuneRule } from "../../pipelines/index.ts"
import { matcherOf, tuningOf } from "../../pipelines/tune.ts"
import { at, bitsOf, errorOf, filesOf, initialWeightsOf, interruptWhen, linesOf, quick, weightsOf } from "./runs.ts"
import { temporary, tinyData, tinyModel } from "./tiny.ts"

const paths = specsOf<DiffClipParams>(tinyModel.specs).map(({ path }) => path)
const tuning = (rules: ReadonlyArray<TuneRule>) => Effect.runSync(tuningOf(tinyModel, rules))
const refusal = (rules: ReadonlyArray<TuneRule>) => Effect.runSync(Effect.flip(tuningOf(tinyModel, rules))).message
const rule = (pattern: string, lrScale = 0): TuneRule => ({ paths: pattern, lrScale })

const train = (dir: string, config: TrainConfigInput, begin: "fresh" | "resume" = "fresh") =>
  Pipeline.train(tinyModel, tinyData, {
    ...quick,
    length: { steps: 5 },
    schedule: { peak: 1e-3, warmup: { steps: 2 } },
    ...config
  }).pipe(Effect.scoped, Effect.provide(at(dir, begin)))

describe("patterns of tune", () => {
  it("name a parameter, or a part of the tree with all that lies in it", () => {
    const matched = (pattern: string) => paths.filter(matcherOf(pattern))
    expect(matched("logitScale")).toEqual(["logitScale"])
    expect(matched("visual.blocks.1.attn.lambda").map((path) => path.split(".").at(-1))).toEqual([
      "q1",
      "k1",
      "q2",
      "k2"
    ])
    expect(matched("visual")).toEqual(matched("visual.*"))
    expect(matched("visual")).toEqual(matched("visual.**"))
    expect(matched("visual")).toEqual(paths.filter((path) => path.startsWith("visual.")))
    expect(matched("visual.blocks.*.norm1")).toEqual(
      [0, 1].flatMap((i) => ["weight", "bias"].map((name) => `visual.blocks.${i}.norm1.${name}`))
    )
    expect(matched("**.bias")).toEqual(paths.filter((path) => path.endsWith(".bias")))
    expect(matched("*.blocks.0.**.weight")).toEqual(
      paths.filter((path) => /^(visual|text)\.blocks\.0\..*weight$/.test(path))
    )
    expect(matched("*Projection")).toEqual(["imageProjection", "textProjection"])
    expect(matched("visual.block")).toEqual([])
    expect(matched("visual.blocks.1")).not.toContain("visual.blocks.0.norm1.weight")
    expect(matched("logit.cale")).toEqual([])
  })

  it("the first rule that matches wins, and what none matches has the full rate", () => {
    const { lrScaleOf, numTrained, numFrozen, numScaled } = tuning([
      rule("visual.norm", 0.5),
      rule("visual"),
      rule("**.bias", 2)
    ])
    expect(lrScaleOf("visual.norm.bias")).toBe(0.5)
    expect(lrScaleOf("visual.blocks.0.norm1.bias")).toBe(0)
    expect(lrScaleOf("text.norm.bias")).toBe(2)
    expect(lrScaleOf("text.norm.weight")).toBe(1)
    expect(numTrained + numFrozen).toBe(tinyModel.numParameters)
    expect(numScaled).toBeGreaterThan(32)
  })

  it("one that matches nothing names the nearest paths, one that never wins says so, and so does freezing all", () => {
    expect(refusal([rule("vision.blocks.*.attn")])).toMatch(
      /found vision.blocks.\*.attn; the nearest names are visual.blocks.\*.attn/
    )
    expect(refusal([rule("visual.blocks.2")])).toContain("nearest names are visual.blocks.0, visual.blocks.1")
    expect(refusal([rule("text"), rule("text.posEmbed", 0.1)])).toMatch(/tune.1.paths: .*no earlier rule has/)
    expect(refusal([rule("**")])).toMatch(/freeze everything/)
    expect(Effect.runSync(Effect.flip(Pipeline.plan(tinyModel, tinyData, { tune: [rule("x", -1)] }))).message)
      .toContain("tune.0.lrScale")
  })

  it("any rules give each parameter the scale of the first that matches", () => {
    const pattern = fc.constantFrom(...paths, "visual", "text.blocks.*", "**.weight", "*.norm", "**")
    fc.assert(fc.property(fc.array(fc.tuple(pattern, fc.integer({ min: 1, max: 9 })), { maxLength: 4 }), (drawn) => {
      const rules = drawn.map(([name, scale]) => rule(name, scale))
      const found = Effect.runSync(Effect.match(tuningOf(tinyModel, rules), {
        onFailure: () => undefined,
        onSuccess: ({ lrScaleOf }) => lrScaleOf
      }))
      fc.pre(found !== undefined)
      for (const path of paths) {
        expect(found?.(path)).toBe(rules.find((one) => matcherOf(one.paths)(path))?.lrScale ?? 1)
      }
    }))
  })

  it("layerwiseDecay gives block i of n decay^(n - i), and what stands before them decay^(n + 1)", () => {
    const { lrScaleOf } = tuning(layerwiseDecay({ tower: "visual", layers: 2, decay: 0.5 }))
    expect(["visual.blocks.1.norm1.weight", "visual.blocks.0.attn.q.weight", "visual.posEmbed"].map(lrScaleOf))
      .toEqual([0.5, 0.25, 0.125])
    expect(["visual.norm.weight", "imageProjection", "text.tokenEmbed"].map(lrScaleOf)).toEqual([1, 1, 1])
    expect(tuning(layerwiseDecay({ tower: "text", layers: 2, decay: 0.5 })).lrScaleOf("text.tokenEmbed")).toBe(0.125)
  })

  it("the plan counts what is trained and frozen, and moments of the trained alone", async () => {
    const plan = await Effect.runPromise(Pipeline.plan(tinyModel, tinyData, { ...quick, tune: lockedImage }))
    const numFrozen = specsOf<DiffClipParams>(tinyModel.specs)
      .filter(({ path }) => path.startsWith("visual.") || path === "imageProjection")
      .reduce((sum, { spec }) => sum + spec.shape.reduce((a, b) => a * b, 1), 0)
    expect(plan).toMatchObject({ numFrozen, numTrained: plan.numParameters - numFrozen })
    expect(plan.optimizerBytes).toBe(8 * plan.numTrained)
    expect(Pipeline.showPlan(plan)).toMatch(/^trained {5}[\d,]+ parameters; [\d,]+ frozen$/m)
  })
})

describe("tuning a run", () => {
  it("freezing changes nothing frozen, trains the rest, and leaves no moments of the frozen", async () => {
    const start = await initialWeightsOf(tinyModel, 3)
    for (const tune of [lockedImage, [rule("text"), rule("logitScale")], [rule("**.attn"), rule("*.posEmbed")]]) {
      const dir = temporary()
      await Effect.runPromise(train(dir, { tune, logitScaleClamp: [0, 2] }))
      const { isTrained } = tuning(tune)
      const end = await weightsOf(dir)
      for (const path of paths) {
        const isSame = bitsOf(end.get(path)) === bitsOf(start.get(path))
        expect([path, isSame]).toEqual([path, !isTrained(path)])
      }
      const { tensors } = await Effect.runPromise(readSafetensors("optimizer", filesOf(dir, 5)[1] ?? Buffer.alloc(0)))
      expect([...tensors.keys()].toSorted()).toEqual(
        paths.filter(isTrained).flatMap((path) => [`mu.${path}`, `nu.${path}`]).toSorted()
      )
    }
  })

  it("a rule for all with half the rate has the bits of a schedule with half the rate", async () => {
    const [scaled, halved] = [temporary(), temporary()]
    const schedule = { peak: 1e-3, start: 2e-6, end: 2e-5, warmup: { steps: 2 } }
    await Effect.runPromise(train(scaled, { tune: [rule("**", 0.5)], schedule }))
    await Effect.runPromise(train(halved, { schedule: { ...schedule, peak: 5e-4, start: 1e-6, end: 1e-5 } }))
    expect(filesOf(scaled, 5)).toEqual(filesOf(halved, 5))
  })

  it("interrupted and resumed, a tuned run has the bits of the uninterrupted one", async () => {
    const [whole, dir] = [temporary(), temporary()]
    const tune = [...lockedImage, rule("text.tokenEmbed", 0.1)]
    await Effect.runPromise(train(whole, { tune }))
    await Effect.runPromise(interruptWhen(train(dir, { tune }), () => linesOf(dir, "log.jsonl").length >= 2))
    await Effect.runPromise(train(dir, { tune }, "resume"))
    expect(filesOf(dir, 5)).toEqual(filesOf(whole, 5))
    expect(errorOf(await Effect.runPromiseExit(train(dir, { tune: lockedImage }, "resume")))).toMatchObject({
      _tag: "ConfigInvalid",
      message: expect.stringContaining("train.tune")
    })
  })

  it("beside an optimizer of one's own it is refused, with what does it there", async () => {
    const own = Pipeline.train(tinyModel, tinyData, { ...quick, tune: lockedImage }, {
      optimizer: adamW<DiffClipParams>()
    })
    const exit = await Effect.runPromiseExit(own.pipe(Effect.scoped, Effect.provide(at(temporary()))))
    expect(errorOf(exit)).toMatchObject({
      _tag: "ConfigInvalid",
      message: expect.stringMatching(/adamW\(\{ lrScaleOf \}\).*trainOnly.*scaleUpdates/)
    })
  })
})
