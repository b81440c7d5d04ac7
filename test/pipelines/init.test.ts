import { Effect } from "effect"
import { copyFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { beforeAll, describe, expect, it } from "vitest"
import type { Trained } from "../../lib/api/index.ts"
import { Backend } from "../../lib/backend/index.ts"
import { bytesOf, encodeSafetensors, float32Tensor, officialNames, paramsFrom } from "../../lib/checkpoint/index.ts"
import type { Clip, ClipConfig, DiffClipParams } from "../../lib/models/index.ts"
import { fitContext, interpolatePositions, makeClip, makeDiffClip, makeDiffClipStar } from "../../lib/models/index.ts"
import { disposeParams } from "../../lib/tensor/index.ts"
import { makeEncoders, Pipeline, type TrainConfigInput } from "../../pipelines/index.ts"
import { initialWeights } from "../../pipelines/initFrom.ts"
import { at, bitsOf, errorOf, filesOf, jsonOf, quick, stateOf, weightsOf } from "./runs.ts"
import { samples, temporary, tinyData, tinyModel } from "./tiny.ts"

const source = temporary()
const { tokenTable = [] } = tinyModel.transform.text
const input = { tokenTable, truncate: "keepEot" as const }
const other = (sizes: Partial<Omit<ClipConfig, "kind">>): Clip<DiffClipParams> =>
  makeDiffClip("other", { ...tinyModel.settings, ...sizes, lambdaInit: 0.8 }, input)

/** One step whose rate is too small to move a float32 weight: what it leaves is where it began. */
const still: TrainConfigInput = {
  ...quick,
  length: { steps: 1 },
  schedule: { peak: 1e-30, start: 1e-30, end: 1e-30, warmup: { steps: 0 } },
  seed: 77
}

const startFrom = <P extends DiffClipParams>(model: Clip<P>, dir: string, init: TrainConfigInput["init"] = {}) =>
  Pipeline.train(model, tinyData, { ...still, init }).pipe(Effect.scoped, Effect.provide(at(dir)))

const refusal = async (model: Clip<DiffClipParams>, init: TrainConfigInput["init"]): Promise<unknown> =>
  errorOf(await Effect.runPromiseExit(startFrom(model, temporary(), init)))

beforeAll(async () => {
  await Effect.runPromise(Pipeline.train(tinyModel, tinyData, quick).pipe(Effect.scoped, Effect.provide(at(source))))
}, 60_000)

describe("init from a checkpoint", () => {
  it("takes the weights with a fresh optimizer at step 0, and config.json says where they came from", async () => {
    const dir = temporary()
    await Effect.runPromise(startFrom(tinyModel, dir, { checkpoint: source }))
    const [begun, ended] = [await weightsOf(source), await weightsOf(dir)]
    for (const [path, data] of begun) expect([path, bitsOf(ended.get(path))]).toEqual([path, bitsOf(data)])
    expect(stateOf(dir, 1)).toMatchObject({ step: 1, cursor: { epoch: 0, delivered: 8 } })
    expect(jsonOf(dir, "config.json")).toMatchObject({
      init: {
        checkpoint: source,
        model: "tiny",
        step: 12,
        checksum: expect.stringMatching(/^[0-9a-f]{64}$/),
        interpolated: []
      }
    })
  })

  it("the same weights from a run, a step, a file and a value of code give the same run", async () => {
    const file = join(temporary(), "lone.safetensors")
    copyFileSync(join(source, "checkpoints", "step-12", "model.safetensors"), file)
    const config: TrainConfigInput = { ...quick, length: { steps: 4 } }
    const dirs: Array<string> = []
    for (const checkpoint of [source, join(source, "checkpoints", "step-12"), file]) {
      dirs.push(temporary())
      await Effect.runPromise(
        Pipeline.train(tinyModel, tinyData, { ...config, init: { checkpoint } })
          .pipe(Effect.scoped, Effect.provide(at(dirs.at(-1) ?? "")))
      )
    }
    dirs.push(temporary())
    const kept = await Effect.runPromise(
      Effect.gen(function* () {
        const trained = yield* Pipeline.load(tinyModel, source)
        const before = trained.params.logitScale.tensor.dataSync().slice()
        yield* Pipeline.train(tinyModel, tinyData, config, { init: trained })
        return [before, trained.params.logitScale.tensor.dataSync()]
      }).pipe(Effect.scoped, Effect.provide(at(dirs.at(-1) ?? "")))
    )
    expect(kept[1]).toEqual(kept[0]) // the caller's weights are copied
    const [first = "", ...rest] = dirs
    for (const dir of rest) expect(filesOf(dir, 4)).toEqual(filesOf(first, 4))
    const records = dirs.map((dir) => jsonOf(dir, "config.json")["init"])
    expect(new Set(records.map((record) => JSON.stringify(record).match(/"checksum":"(\w+)"/)?.[1])).size).toBe(1)
    expect(records[3]).toMatchObject({ checkpoint: null, step: 12 })
  })

  it("a resumed run needs the checkpoint no more, and a resume from another is refused", async () => {
    const [whole, dir, gone] = [temporary(), temporary(), temporary()]
    copyFileSync(join(source, "checkpoints", "step-12", "model.safetensors"), join(gone, "lone.safetensors"))
    const init = { checkpoint: join(gone, "lone.safetensors") }
    const train = (into: string, begin: "fresh" | "resume", steps: number, checkpoint = init.checkpoint) =>
      Pipeline.train(tinyModel, tinyData, { ...quick, length: { steps }, init: { checkpoint } })
        .pipe(Effect.scoped, Effect.provide(at(into, begin)))
    await Effect.runPromise(train(whole, "fresh", 6))
    await Effect.runPromise(train(dir, "fresh", 6))
    writeFileSync(join(dir, "checkpoints", "step-6", "model.safetensors"), "torn")
    writeFileSync(init.checkpoint, "gone")
    await Effect.runPromise(train(dir, "resume", 6))
    expect(filesOf(dir, 6)).toEqual(filesOf(whole, 6))
    expect(jsonOf(dir, "config.json")["init"]).toEqual(jsonOf(whole, "config.json")["init"])
    expect(errorOf(await Effect.runPromiseExit(train(dir, "resume", 6, source)))).toMatchObject({
      _tag: "ConfigInvalid",
      message: expect.stringContaining("train.init.checkpoint")
    })
  })

  it("another shape is refused with every tensor that differs: name, expected, found", async () => {
    const error = await refusal(other({ embedDim: 12 }), { checkpoint: source })
    expect(error).toMatchObject({
      _tag: "CheckpointError",
      reason: "otherModel",
      file: source,
      tensor: "imageProjection"
    })
    const message = String((error as { readonly message: unknown }).message)
    expect(message).toContain("imageProjection: expected [16, 12], found [16, 8]")
    expect(message).toContain("textProjection: expected [16, 12], found [16, 8]")
    expect(message.match(/: expected/g)).toHaveLength(2)
    // Whole blocks more or less: each tensor of them.
    const taller = String(
      (await refusal(other({ text: { width: 16, layers: 3, numHeads: 4 } }), { checkpoint: source }) as Error).message
    )
    expect(taller).toContain("text.blocks.2.attn.q.weight: expected [16, 16], found none")
    expect(taller.match(/text\.blocks\.2\.[\w.]+: expected \[[\d, ]+\], found none/g)).toHaveLength(21)
  })

  it("the same shapes with other heads, lambdaInit or token table are refused too", async () => {
    const heads = await refusal(other({ vision: { width: 16, layers: 2, numHeads: 2 } }), { checkpoint: source })
    expect(heads).toMatchObject({ message: expect.stringContaining("vision.numHeads: expected 2, found 4") })
    const star = makeDiffClipStar("star", tinyModel.settings, input)
    expect(await refusal(star, { checkpoint: source })).toMatchObject({
      message: expect.stringContaining('lambdaInit: expected "depth", found 0.8')
    })
    const table = [...tokenTable]
    table[1] = 5
    const words = makeDiffClip("words", { ...tinyModel.settings, lambdaInit: 0.8 }, { ...input, tokenTable: table })
    expect(await refusal(words, { checkpoint: source })).toMatchObject({
      message: expect.stringMatching(/tokenTable: expected \[0,5,.*found \[0,/)
    })
  })

  it("another image size and context fit where init.positions says interpolate, and only there", async () => {
    const larger = other({ imageSize: 24, contextLength: 14 })
    expect(await refusal(larger, { checkpoint: source })).toMatchObject({
      message: expect.stringMatching(
        /visual.posEmbed: expected \[1, 10, 16\], found \[1, 5, 16\]; text.posEmbed: expected \[14, 16\], found \[12, 16\].*"interpolate"/
      )
    })
    const dir = temporary()
    await Effect.runPromise(startFrom(larger, dir, { checkpoint: source, positions: "interpolate" }))
    const [begun, ended] = [await weightsOf(source), await weightsOf(dir)]
    const empty = new Float32Array(0)
    const grid = interpolatePositions(begun.get("visual.posEmbed") ?? empty, { tokens: 10, width: 16 })
    const rows = fitContext(begun.get("text.posEmbed") ?? empty, { contextLength: 14, width: 16 })
    for (const [path, data] of ended) {
      const expected = path === "visual.posEmbed" ? grid : path === "text.posEmbed" ? rows : begun.get(path)
      // AdamW moves a zero by the rate; everything else is too large for it.
      if (path === "text.posEmbed") expect(bitsOf(data.subarray(0, 192))).toBe(bitsOf(expected?.subarray(0, 192)))
      else expect([path, bitsOf(data)]).toEqual([path, bitsOf(expected)])
    }
    expect(jsonOf(dir, "config.json")).toMatchObject({ init: { interpolated: ["visual.posEmbed", "text.posEmbed"] } })
    // What positions cannot explain is refused all the same.
    expect(await refusal(other({ imageSize: 24, embedDim: 4 }), { checkpoint: source, positions: "interpolate" }))
      .toMatchObject({ message: expect.not.stringContaining("visual.posEmbed") })
  })

  it("captions that fit both contexts are embedded as before, in a longer one and in a shorter one", async () => {
    const texts = samples.slice(0, 8).map(({ captions }) => captions[0] ?? "") // 4 tokens each
    const embedded = (contextLength: number) =>
      Effect.gen(function* () {
        const backend = yield* Backend
        const model = other({ contextLength })
        const init = { checkpoint: source, positions: "interpolate" } as const
        const weights = yield* initialWeights(model, init, undefined)
        const params = yield* Effect.acquireRelease(
          backend.sync(() => paramsFrom<DiffClipParams>(model.specs, weights?.arrays ?? new Map())),
          (held) => Effect.sync(() => disposeParams(held))
        )
        return (yield* makeEncoders(model, params, backend).encodeTexts(texts)).data
      }).pipe(Effect.scoped, Effect.provide(at(temporary())), Effect.runPromise)
    const before = await embedded(12)
    for (const contextLength of [20, 6]) {
      // Embeddings are near 1; sums over masked places may be grouped otherwise, which moves the last bits.
      const after = await embedded(contextLength)
      after.forEach((x, i) => expect(Math.abs(x - (before[i] ?? NaN))).toBeLessThan(2e-6))
    }
  })

  it("a file that does not say which model it is of is read as the model that is trained", async () => {
    const weights = await weightsOf(source)
    const tensors = officialNames(tinyModel.settings).map(({ name, path, shape }) =>
      float32Tensor(name, shape, weights.get(path) ?? new Float32Array(0))
    )
    const file = join(temporary(), "bare.safetensors")
    writeFileSync(file, bytesOf(encodeSafetensors(tensors, {})))
    const dir = temporary()
    await Effect.runPromise(startFrom(tinyModel, dir, { checkpoint: file }))
    for (const [path, data] of await weightsOf(dir)) expect(bitsOf(data)).toBe(bitsOf(weights.get(path)))
  })

  it("a .pt file gives weights whatever its container; one of another size is refused", async () => {
    // Sizes: GOLDENS 3, checkpoint_tiny.
    const sizes = {
      imageSize: 8,
      patchSize: 4,
      vision: { width: 8, layers: 2, numHeads: 2 },
      text: { width: 8, layers: 1, numHeads: 2 },
      contextLength: 8,
      vocabSize: 40,
      embedDim: 6
    } as const
    const fileOf = (name: string): string => fileURLToPath(new URL(`../goldens/checkpoint_${name}.pt`, import.meta.url))
    const from = (name: string, embedDim: number) =>
      initialWeights(
        makeDiffClip("golden", { ...sizes, embedDim }),
        { checkpoint: fileOf(name), positions: "same" },
        undefined
      )
        .pipe(Effect.provide(at(temporary())))
    const records = await Effect.runPromise(
      Effect.forEach(["tiny", "tiny_legacy", "torch2_imitation"], (name) => from(name, 6))
    )
    expect(records[0]?.arrays.get("imageProjection")?.shape).toEqual([8, 6])
    expect(new Set(records.map((weights) => weights?.record.checksum)).size).toBe(1)
    expect(errorOf(await Effect.runPromiseExit(from("tiny", 7)))).toMatchObject({
      _tag: "CheckpointError",
      expected: "[8, 7]",
      found: "[8, 6]"
    })
  })

  it("no such checkpoint, and a checkpoint beside weights of code, are typed errors", async () => {
    expect(await refusal(tinyModel, { checkpoint: "nowhere" })).toMatchObject({
      _tag: "CheckpointError",
      reason: "missing"
    })
    const both = Effect.gen(function* () {
      const init: Trained<Clip<DiffClipParams>> = yield* Pipeline.load(tinyModel, source)
      return yield* Pipeline.train(tinyModel, tinyData, { ...still, init: { checkpoint: source } }, { init })
    })
    const exit = await Effect.runPromiseExit(both.pipe(Effect.scoped, Effect.provide(at(temporary()))))
    expect(errorOf(exit)).toMatchObject({ _tag: "ConfigInvalid", issues: [{ path: "init.checkpoint" }] })
  })
})

/** Compositions that must not compile; never called. */
export const misuse = (trained: Trained<Clip<DiffClipParams>>): ReadonlyArray<unknown> => [
  Pipeline.train(tinyModel, tinyData, {}, { init: trained }),
  // @ts-expect-error weights of another parameter tree
  Pipeline.train(makeClip("plain", tinyModel.settings), tinyData, {}, { init: trained })
]
