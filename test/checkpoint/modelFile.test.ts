import "@tensorflow/tfjs-backend-cpu"
import { it } from "@effect/vitest"
import * as tf from "@tensorflow/tfjs-core"
import { Effect } from "effect"
import { describe, expect } from "vitest"
import type { AnyClip, TensorToWrite } from "../../lib/checkpoint/index.ts"
import {
  bytesOf,
  describeModel,
  encodeModel,
  encodeSafetensors,
  float32Tensor,
  officialNames,
  paramsFrom,
  readArrays,
  readModelFile,
  readSafetensors,
  withLoaded,
  withModel
} from "../../lib/checkpoint/index.ts"
import { makeClip, makeDiffClip } from "../../lib/models/index.ts"
import { disposeParams, keyOf, leavesOf, ShapeError } from "../../lib/tensor/index.ts"
import { engineInUse } from "../engines.ts"
import { errorOf } from "../reference/compare.ts"
import { goldensWith } from "../reference/golden.ts"
import { arraysFor, configOf, tinyModel } from "./tiny.ts"

const written = (model: AnyClip, arrays = arraysFor(model, 1)): Uint8Array =>
  bytesOf(encodeModel(model, arrays, "0.1.0"))

/** The tensors of a model file under their official names, to be changed and written again. */
const tensorsOf = (model: AnyClip): ReadonlyArray<TensorToWrite> => {
  const data = new Map(arraysFor(model, 1).map((array) => [array.path, array.data]))
  return officialNames(model.settings).map(({ name, path, shape }) =>
    float32Tensor(name, shape, data.get(path) ?? new Float32Array(0))
  )
}
const foreign = (tensors: ReadonlyArray<TensorToWrite>): Uint8Array => bytesOf(encodeSafetensors(tensors))

const failure = (bytes: Uint8Array, wanted?: AnyClip) =>
  Effect.runSync(
    readModelFile("file", bytes, wanted === undefined ? {} : { wanted }).pipe(
      Effect.catchTag("UnsafePickle", Effect.die),
      Effect.flip
    )
  )

const tokenTable = [0, 3, 5, 8, 11, 49406, 49407]

describe("a model file", () => {
  it.effect("gives back the model value and the weights bit for bit, for all four kinds", () =>
    Effect.gen(function* () {
      for (const kind of ["clip", "diffClip", "diffClipStar", "diffClipVision"] as const) {
        const model = tinyModel(kind, { truncate: "keepEot", tokenTable })
        const arrays = arraysFor(model, 1)
        const loaded = yield* readModelFile("file", written(model, arrays))
        expect(describeModel(loaded.model)).toEqual(describeModel(model))
        expect(loaded.model.config).toEqual(model.config)
        expect([...loaded.arrays.values()]).toEqual(arrays)
      }
    }))

  it("holds the official names in official order, and lambdaInit, truncation and table in its metadata", () => {
    const model = tinyModel("diffClipStar", { tokenTable })
    const file = Effect.runSync(readSafetensors("file", written(model)))
    expect([...file.tensors.keys()]).toEqual(officialNames(model.settings).map(({ name }) => name))
    expect(file.metadata).toMatchObject({ format: "pt", library: "0.1.0", name: "tiny diffClipStar" })
    expect(JSON.parse(file.metadata["config"] ?? "")).toEqual(model.settings)
    expect(JSON.parse(file.metadata["input"] ?? "")).toEqual({ truncate: "asPublished", tokenTable })
  })

  it("is not written when an array is missing or has another size", () => {
    const model = tinyModel()
    const arrays = arraysFor(model, 1)
    expect(() => encodeModel(model, arrays.slice(1), "0.1.0")).toThrow("text.posEmbed")
    const cut = arrays.map((array) => array.path === "logitScale" ? { ...array, data: new Float32Array(2) } : array)
    expect(() => encodeModel(model, cut, "0.1.0")).toThrow(ShapeError)
  })

  it.effect("of PyTorch names with module. is read as the model that the caller names", () =>
    Effect.gen(function* () {
      const model = tinyModel()
      const tensors = tensorsOf(model).map((tensor) => ({ ...tensor, name: `module.${tensor.name}` }))
      for (const options of [{ wanted: model }, { unlessStored: model }]) {
        const loaded = yield* readModelFile("file", foreign(tensors), options)
        expect([...loaded.arrays.values()]).toEqual(arraysFor(model, 1))
      }
    }))
})

describe("a strict load refuses, naming the tensor", () => {
  const model = tinyModel()
  const tensors = tensorsOf(model)
  const changed = (name: string, change: (tensor: TensorToWrite) => TensorToWrite): Uint8Array =>
    foreign(tensors.map((tensor) => tensor.name === name ? change(tensor) : tensor))
  const lambda = "visual.blocks.1.attn.lambda_q1"

  it("one that is missing", () => {
    const error = failure(foreign(tensors.filter(({ name }) => name !== lambda)), model)
    expect(error).toMatchObject({ reason: "missingTensor", tensor: lambda })
    expect(error.message).toContain(`the ${tensors.length} tensors of diffClip`)
  })

  it("one too many, also when only module. sets it apart", () => {
    const extra = float32Tensor("visual.head.weight", [1], Float32Array.of(1))
    expect(failure(foreign([...tensors, extra]), model))
      .toMatchObject({ reason: "unexpectedTensor", tensor: "visual.head.weight" })
    const twin = float32Tensor("module.logit_scale", [], Float32Array.of(1))
    expect(failure(foreign([...tensors, twin]), model))
      .toMatchObject({ reason: "unexpectedTensor", tensor: "logit_scale" })
  })

  it("another shape, also with as many numbers", () => {
    expect(failure(changed("text_projection", (tensor) => ({ ...tensor, shape: [3, 4] })), model))
      .toMatchObject({ reason: "shape", tensor: "text_projection", expected: "[4, 3]", found: "[3, 4]" })
    expect(failure(changed("logit_scale", (tensor) => ({ ...tensor, shape: [1] })), model))
      .toMatchObject({ reason: "shape", tensor: "logit_scale", expected: "[]", found: "[1]" })
  })

  it("whole numbers", () => {
    expect(failure(changed("logit_scale", (tensor) => ({ ...tensor, dtype: "I32" })), model))
      .toMatchObject({ reason: "dtype", tensor: "logit_scale", found: "I32" })
  })

  it("NaN weights and infinite ones", () => {
    for (const bad of [NaN, Infinity, -Infinity]) {
      const data = Float32Array.of(1, bad)
      const error = failure(changed(lambda, () => float32Tensor(lambda, [2], data)), model)
      expect(error).toMatchObject({ reason: "nonFinite", tensor: lambda, found: `${bad} at number 1` })
      expect(error.message).toContain("NaN weights")
    }
  })
})

describe("a checkpoint of another model", () => {
  it("of another kind or size is refused, and the message lists the fields that differ", () => {
    const error = failure(written(tinyModel("diffClip")), tinyModel("diffClipStar", {}, 8))
    expect(error.reason).toBe("otherModel")
    expect(error.expected).toContain(`kind "diffClipStar", vision.width 8, lambdaInit "depth"`)
    expect(error.found).toContain(`kind "diffClip", vision.width 4, lambdaInit 0.8`)
    expect(error.message).not.toContain("embedDim")
  })

  it("of another token table or truncation is refused", () => {
    const bytes = written(tinyModel("clip", { tokenTable }))
    expect(failure(bytes, tinyModel("clip"))).toMatchObject({ reason: "otherModel" })
    expect(failure(bytes, tinyModel("clip", { tokenTable, truncate: "keepEot" }))).toMatchObject({
      reason: "otherModel"
    })
  })

  it("whose stored token table does not fit is malformed, and the message says what table it should be", () => {
    const model = tinyModel("clip", { tokenTable })
    const tables = [
      [[...tokenTable, 49407], "a tokenTable of vocabSize 7 ids, found a tokenTable of 8"],
      [[0, 3, 5, 8, 11, 12, 13], "ends with 49406, 49407"]
    ] as const
    for (const [table, words] of tables) {
      const metadata = {
        diffclip: "1",
        config: JSON.stringify(model.settings),
        input: JSON.stringify({ truncate: "keepEot", tokenTable: table })
      }
      const error = failure(bytesOf(encodeSafetensors(tensorsOf(model), metadata)))
      expect(error.reason).toBe("malformed")
      expect(error.message).toContain(words)
    }
  })

  it("that does not say what it is needs the caller to say so", () => {
    expect(failure(foreign(tensorsOf(tinyModel())))).toMatchObject({ reason: "unknownModel" })
  })
})

describe("metadata that are wrong are typed errors", () => {
  const model = tinyModel()
  const good = { diffclip: "1", config: JSON.stringify(model.settings), input: `{"truncate":"keepEot"}` }
  const withConfig = (change: object): string => JSON.stringify({ ...model.settings, ...change })
  const cases: ReadonlyArray<readonly [string, Readonly<Record<string, string>>, string]> = [
    ["a later version", { ...good, diffclip: "2" }, "unsupported"],
    ["no configuration", { diffclip: "1", input: good.input }, "malformed"],
    ["no JSON", { ...good, config: "{" }, "malformed"],
    ["an unknown kind", { ...good, config: withConfig({ kind: "siglip" }) }, "malformed"],
    ["an unknown field", { ...good, config: withConfig({ dropout: 0.1 }) }, "malformed"],
    ["a negative size", { ...good, config: withConfig({ embedDim: -3 }) }, "malformed"],
    [
      "a billion layers",
      { ...good, config: withConfig({ text: { width: 4, layers: 1e9, numHeads: 2 } }) },
      "malformed"
    ],
    ["sizes that do not fit", { ...good, config: withConfig({ patchSize: 3 }) }, "malformed"],
    ["odd heads", { ...good, config: withConfig({ vision: { width: 3, layers: 1, numHeads: 3 } }) }, "malformed"],
    ["an unknown truncation", { ...good, input: `{"truncate":"no"}` }, "malformed"]
  ]
  it.each(cases)("%s", (_, metadata, reason) => {
    expect(failure(bytesOf(encodeSafetensors(tensorsOf(model), metadata)))).toMatchObject({ reason, file: "file" })
  })
})

describe("trees", () => {
  const sizes = {
    imageSize: 4,
    patchSize: 2,
    vision: { width: 4, layers: 1, numHeads: 2 },
    text: { width: 4, layers: 1, numHeads: 2 },
    contextLength: 5,
    vocabSize: 7,
    embedDim: 3
  }

  it.effect("parameters that were read off the device and built again are equal, and are the caller's to free", () =>
    Effect.gen(function* () {
      const before = tf.memory().numTensors
      const model = makeDiffClip("tiny", sizes)
      const params = model.init(keyOf(3))
      const arrays = yield* readArrays(params, engineInUse.read)
      const { arrays: loaded } = yield* readModelFile("file", bytesOf(encodeModel(model, arrays, "0.1.0")))
      let again = params
      tf.tidy(() => {
        again = paramsFrom<typeof params>(model.specs, loaded) // survives the tidy
      })
      expect(yield* readArrays(again, engineInUse.read)).toEqual(arrays)
      expect(leavesOf(again).map(({ path }) => path)).toEqual(leavesOf(params).map(({ path }) => path))
      disposeParams(again)
      disposeParams(params)
      expect(tf.memory().numTensors).toBe(before)
    }))

  it("a missing array is named, and so is one of another shape", () => {
    const { specs } = makeClip("tiny", sizes)
    expect(() => paramsFrom(specs, new Map())).toThrow("an array at visual.clsToken, found none")
    const path = "visual.clsToken"
    const wrong = new Map([[path, { path, shape: [4], data: new Float32Array(4) }]])
    expect(() => paramsFrom(specs, wrong)).toThrow("[1, 1, 4] at visual.clsToken, found [4]")
  })

  it("a model whose kind is known at run time only meets parameters of its own type", () => {
    expect(withModel(tinyModel("clip"), (model) => model.numParameters)).toBe(tinyModel("clip").numParameters)
  })
})

describe.each(goldensWith("layernorm_eps"))("$file", (golden) => {
  it.effect("loaded from its official names, the model gives the golden embeddings", () =>
    Effect.gen(function* () {
      const config = configOf(golden)
      const tensors = officialNames(config).map(({ name, shape }) =>
        float32Tensor(name, shape, Float32Array.from(golden.tensor(`state.${name}`).data))
      )
      const described = { diffclip: "1", config: JSON.stringify(config), input: `{"truncate":"asPublished"}` }
      const loaded = yield* readModelFile("file", bytesOf(encodeSafetensors(tensors, described)))
      const images = golden.tensor("images")
      const tokens = golden.tensor("tokens")
      const [imageEmbed, textEmbed] = tf.tidy(() =>
        withLoaded(loaded, (clip, params) => {
          const batch = {
            images: tf.tensor(Float32Array.from(images.data), [...images.shape]),
            tokens: tf.tensor(Int32Array.from(tokens.data), [...tokens.shape], "int32")
          }
          const embeddings = clip.apply(params, batch)
          const out = [embeddings.imageEmbed.tensor.dataSync(), embeddings.textEmbed.tensor.dataSync()]
          disposeParams(params)
          return out
        })
      )
      expect(errorOf(imageEmbed ?? [], golden.tensor("image_embed64").data)).toBeLessThan(2e-5)
      expect(errorOf(textEmbed ?? [], golden.tensor("text_embed64").data)).toBeLessThan(2e-5)
    }))
})
