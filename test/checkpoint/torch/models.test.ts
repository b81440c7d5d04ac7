import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import type { TensorToWrite } from "../../../lib/checkpoint/index.ts"
import {
  bytesOf,
  decayGroups,
  describeModel,
  encodeTorch,
  encodeTorchModel,
  float32Tensor,
  isDict,
  memorySource,
  officialNames,
  openTensors,
  openTorch,
  optimizerOf,
  readModelFile
} from "../../../lib/checkpoint/index.ts"
import type { ClipKind } from "../../../lib/models/index.ts"
import { clip, clipFromConfig, diffClip, diffClipVision } from "../../../lib/models/index.ts"
import { arraysFor, tinyModel } from "../tiny.ts"
import { inferModel } from "../../../lib/checkpoint/inferModel.ts"
import { golden, pickle, tensor, text, torchZip } from "./pickles.ts"

const kinds: ReadonlyArray<ClipKind> = ["clip", "diffClip", "diffClipVision"]

/** A model whose plain heads are 64 wide, so that a bare file of it can be told. */
const wide = (kind: ClipKind) => {
  const { settings } = tinyModel(kind)
  return clipFromConfig("wide", {
    ...settings,
    vision: { ...settings.vision, width: 128 },
    text: { width: 64, layers: 2, numHeads: kind === "diffClip" ? 2 : 1 }
  })
}

const tensorsOf = (kind: ClipKind, prefix = ""): ReadonlyArray<TensorToWrite> => {
  const model = wide(kind)
  const file = encodeTorchModel(model, arraysFor(model, 1), { library: "test", epoch: 0 })
  const opened = Effect.runSync(openTensors(memorySource("file.pt", bytesOf(file))))
  return [...opened.tensors.values()].map((tensor) => ({
    ...Effect.runSync(tensor.read),
    name: `${prefix}${tensor.name}`
  }))
}

const read = (file: Uint8Array, options = {}) => readModelFile("file.pt", file, options)
const failure = (tensors: ReadonlyArray<TensorToWrite>, options = {}) =>
  Effect.runSync(Effect.flip(read(bytesOf(encodeTorch(tensors)), options)))

describe("the model of a bare .pt file", () => {
  it.each(kinds)("of kind %s is inferred from names and shapes, with the assumption told", (kind) => {
    const loaded = Effect.runSync(read(bytesOf(encodeTorch(tensorsOf(kind, "module.")))))
    expect(loaded.model.settings).toEqual(wide(kind).settings)
    expect(loaded.inference).toContain(`taken for ${kind}`)
    expect(loaded.inference).toContain(kind === "diffClip" ? "lambdaInit 0.8 assumed" : "heads of width 64")
  })

  it.each([clip, diffClip, diffClipVision])("at ViT-B/16 is the paper's $name", ({ settings }) => {
    const shapes = new Map(officialNames(settings).map(({ name, shape }) => [name, shape]))
    expect(Effect.runSync(inferModel("file.pt", shapes)).description.config).toEqual(settings)
  })

  it("is the named one where it is named: a star is then a star, and nothing is announced", () => {
    const star = clipFromConfig("star", { ...wide("diffClip").settings, kind: "diffClipStar", lambdaInit: "depth" })
    const file = bytesOf(encodeTorch(tensorsOf("diffClip")))
    for (const options of [{ wanted: star }, { unlessStored: star }]) {
      const loaded = Effect.runSync(read(file, options))
      expect(loaded.model.settings).toMatchObject({ kind: "diffClipStar", lambdaInit: "depth" })
      expect(loaded.inference).toBeUndefined()
    }
  })

  it("that does not fit is an error which names the tensor, what was expected and what was found", () => {
    const tensors = tensorsOf("clip")
    const narrow = tensors.map((tensor) =>
      tensor.name === "visual.blocks.0.norm1.weight" ? float32Tensor(tensor.name, [20], new Float32Array(20)) : tensor
    )
    expect(failure(narrow)).toMatchObject({
      reason: "unknownModel",
      tensor: "visual.blocks.0.norm1.weight",
      expected: "a width that heads of 64 divide",
      found: "20"
    })
    const without = tensors.filter(({ name }) => name !== "positional_embedding")
    expect(failure(without)).toMatchObject({ reason: "unknownModel", tensor: "positional_embedding" })
    const other = tensors.map((tensor) =>
      tensor.name === "ln_final.bias" ? float32Tensor(tensor.name, [3], new Float32Array(3)) : tensor
    )
    expect(failure(other)).toMatchObject({ reason: "shape", tensor: "ln_final.bias", expected: "[64]", found: "[3]" })
    expect(failure(tensors, { wanted: wide("diffClip") })).toMatchObject({ reason: "missingTensor" })
  })

  it("loses exactly one leading module.", () => {
    expect(failure(tensorsOf("clip", "module.module."))).toMatchObject({ _tag: "CheckpointError" })
    const both = [...tensorsOf("clip"), ...tensorsOf("clip", "module.").slice(0, 1)]
    expect(failure(both)).toMatchObject({ reason: "unexpectedTensor" })
  })

  it("is refused where views that share storages would be far larger than the file", () => {
    const numel = 2 ** 18
    const views = Array.from({ length: 90 }, (_, i) => [text(`t${i}`), tensor([numel], [1], { numel })]).flat()
    const file = torchZip(pickle("}(", ...views, "u"), { "0": numel })
    expect(Effect.runSync(Effect.flip(openTensors(memorySource("x", file))))).toMatchObject({ reason: "tooLarge" })
  })
})

describe("export to .pt", () => {
  it.each(["clip", "diffClip", "diffClipStar", "diffClipVision"] as const)(
    "%s comes back bit for bit, with its model value, and the same file each time",
    (kind) => {
      const model = tinyModel(kind)
      const arrays = arraysFor(model, 7)
      const options = { library: "0.1.0", epoch: 3, names: "module", args: new Map([["lr", 5e-4]]) } as const
      const file = bytesOf(encodeTorchModel(model, arrays, options))
      expect(bytesOf(encodeTorchModel(model, arrays, options))).toEqual(file)
      const loaded = Effect.runSync(read(file))
      expect(describeModel(loaded.model)).toEqual(describeModel(model))
      expect([...loaded.arrays.values()]).toEqual(arrays)
      expect(loaded.epoch).toBe(3)
      const opened = Effect.runSync(openTensors(memorySource("file.pt", file)))
      expect([...opened.tensors.keys()].every((name) => name.startsWith("module."))).toBe(true)
      const { root } = Effect.runSync(openTorch(memorySource("file.pt", file)))
      expect(isDict(root) ? [...root.entries.keys()] : root).toEqual(["epoch", "state_dict", "args", "diffclip"])
    }
  )

  it("every element type comes back bit for bit, short and in zip64", () => {
    const source = Effect.runSync(openTensors(memorySource("x", golden("checkpoint_extras.pt"))))
    const tensors = [...source.tensors.values()].map((tensor) => Effect.runSync(tensor.read))
    for (const zip64 of ["whereNeeded", "always"] as const) {
      const file = bytesOf(encodeTorch(tensors, { before: new Map([["epoch", -7]]) }, zip64))
      const back = Effect.runSync(openTensors(memorySource("y", file)))
      expect([...back.tensors.values()].map((tensor) => Effect.runSync(tensor.read))).toEqual(
        tensors.map((tensor) => ({ ...tensor, bytes: Uint8Array.from(tensor.bytes) }))
      )
    }
  })
})

describe("the optimizer of an official checkpoint", () => {
  it("numbers parameters with decay first, each in registration order", () => {
    const [decayed, others] = decayGroups(diffClip.settings)
    expect([decayed.length, others.length]).toEqual([151, 366])
    expect(decayed[0]?.name).toBe("positional_embedding")
    expect(others[0]?.name).toBe("logit_scale")
  })

  it("that is of another model is refused with the group", () => {
    const torch = Effect.runSync(openTorch(memorySource("x", golden("checkpoint_tiny.pt"))))
    const { model } = Effect.runSync(read(golden("checkpoint_tiny.pt")))
    const found = Effect.runSync(optimizerOf(torch, model.settings))
    expect(found?.state.get(29)?.path).toBe("visual.blocks.0.attn.lambda.q1")
    const error = Effect.runSync(Effect.flip(optimizerOf(torch, diffClip.settings)))
    expect(error).toMatchObject({ tensor: "optimizer.param_groups.0", expected: "151 parameters", found: "25" })
  })
})
