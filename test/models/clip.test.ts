import * as tf from "@tensorflow/tfjs-core"
import { describe, expect, it } from "vitest"
import { clipFromConfig, makeClip, makeDiffClip, makeDiffClipStar, makeDiffClipVision } from "../../lib/models/index.ts"
import * as ops from "../../lib/ops/index.ts"
import {
  disposeParams,
  isFiniteTree,
  keyOf,
  type Params,
  ShapeError,
  type Value,
  valueAndGrad
} from "../../lib/tensor/index.ts"
import { onEachEngine } from "../engines.ts"
import { arrayOf, noise, tensorOf } from "../ops/against.ts"
import { errorOf, type F64, mapArray } from "../reference/index.ts"
import { tiny } from "./sizes.ts"

const images = noise(1, "images", [2, 3, 8, 8])
const start = 8
const end = 9

const models = [
  ["clip", makeClip("clip", tiny)],
  ["diffClip", makeDiffClip("diffClip", tiny)],
  ["diffClipStar", makeDiffClipStar("diffClipStar", tiny)],
  ["diffClipVision", makeDiffClipVision("diffClipVision", tiny)]
] as const

/** A model that encodes, whatever its parameters are. */
interface Encoder<P extends Params> {
  readonly init: (key: ReturnType<typeof keyOf>) => P
  readonly encodeText: (params: P, tokens: tf.Tensor) => Value
  readonly encodeImage: (params: P, images: tf.Tensor) => Value
}

const encodeText = <P extends Params>(model: Encoder<P>, rows: ReadonlyArray<ReadonlyArray<number>>): F64 => {
  const params = model.init(keyOf(3))
  const tokens = tf.tensor2d(rows.map((row) => [...row]), undefined, "int32")
  const out = tf.tidy(() => model.encodeText(params, tokens).tensor)
  const array = arrayOf(out)
  disposeParams(params)
  tokens.dispose()
  out.dispose()
  return array
}

const encodeImage = <P extends Params>(model: Encoder<P>, pixels: F64): F64 => {
  const params = model.init(keyOf(3))
  const given = tensorOf(pixels)
  const out = tf.tidy(() => model.encodeImage(params, given).tensor)
  const array = arrayOf(out)
  disposeParams(params)
  given.dispose()
  out.dispose()
  return array
}

const rowOf = ({ shape, data }: F64, row: number): ReadonlyArray<number> => {
  const e = shape[1] ?? 0
  return [...data.slice(row * e, (row + 1) * e)]
}

describe.each(models)("%s", (_, model) => {
  /** Each kind has parameters of its own; a generic use takes any of them. */
  const asEncoder = (use: <P extends Params>(encoder: Encoder<P>) => F64): F64 => {
    const { kind } = model.settings
    if (kind === "clip") return use(makeClip(kind, tiny))
    if (kind === "diffClipVision") return use(makeDiffClipVision(kind, tiny))
    return use(kind === "diffClip" ? makeDiffClip(kind, tiny) : makeDiffClipStar(kind, tiny))
  }

  onEachEngine(() => {
    it("gives embeddings [B, E] that are not normalised", () => {
      const out = asEncoder((encoder) => encodeImage(encoder, images))
      expect(out.shape).toEqual([2, 6])
      expect(out.data.every(Number.isFinite)).toBe(true)
      expect(Math.abs(Math.hypot(...rowOf(out, 0)) - 1)).toBeGreaterThan(1e-3)
    })

    it("an embedding does not depend on who else is in the batch", () => {
      const both = asEncoder((encoder) => encodeImage(encoder, images))
      const second = asEncoder((encoder) => encodeImage(encoder, { shape: [1, 3, 8, 8], data: images.data.slice(192) }))
      expect(errorOf(second.data, rowOf(both, 1))).toBeLessThan(1e-5)
    })

    it("text is pooled at the first maximum of the ids: what follows it is not seen, what precedes it is", () => {
      const out = asEncoder((encoder) =>
        encodeText(encoder, [
          [start, 1, 2, end, 0, 0, 0],
          [start, 1, 2, end, 5, end, 3],
          [start, 1, 3, end, 0, 0, 0]
        ])
      )
      expect(rowOf(out, 1)).toEqual(rowOf(out, 0))
      expect(rowOf(out, 2)).not.toEqual(rowOf(out, 0))
    })

    it("captions that were cut without their end token all share one embedding (trap 19)", () => {
      const out = asEncoder((encoder) =>
        encodeText(encoder, [
          [start, 1, 2, 3, 4, 5, 6],
          [start, 7, 7, 1, 0, 2, 2],
          [start, 3, 1, 4, 1, 5, end]
        ])
      )
      expect(rowOf(out, 1)).toEqual(rowOf(out, 0))
      expect(rowOf(out, 2)).not.toEqual(rowOf(out, 0))
    })

    it("NaN in one picture stays in its embedding", () => {
      const spoilt = mapArray((v, i) => (i === 3 ? NaN : v), images)
      const [found, clean] = [spoilt, images].map((given) => asEncoder((encoder) => encodeImage(encoder, given)))
      if (found === undefined || clean === undefined) throw new RangeError("two results")
      expect(rowOf(found, 0).every(Number.isNaN)).toBe(true)
      expect(rowOf(found, 1)).toEqual(rowOf(clean, 1))
    })
  })
})

describe("every model", () => {
  onEachEngine(() => {
    it("has a finite gradient for each parameter, and none of the used ones is all zeros", () => {
      const model = makeDiffClip("diffClip", tiny)
      const params = model.init(keyOf(4))
      const pixels = tensorOf(images)
      const tokens = tf.tensor2d([[start, 1, 2, end, 0, 0, 0], [start, 4, end, 0, 0, 0, 0]], undefined, "int32")
      const { loss, grads } = valueAndGrad(params, (p) => {
        const { imageEmbed, textEmbed } = model.apply(p, { images: pixels, tokens })
        return ops.sum(ops.mul(imageEmbed, textEmbed))
      })
      expect(isFiniteTree(grads)).toBe(true)
      expect([...grads.visual.clsToken.tensor.dataSync()].some((g) => g !== 0)).toBe(true)
      expect([...(grads.text.blocks[0]?.attn.lambda.q1.tensor.dataSync() ?? [])].some((g) => g !== 0)).toBe(true)
      expect([...grads.logitScale.tensor.dataSync()]).toEqual([0]) // this loss does not use it
      disposeParams(params)
      disposeParams(grads)
      for (const tensor of [loss, pixels, tokens]) tensor.dispose()
    })

    it("its trace ends in the embeddings that it gives, with a stage for each block", () => {
      const model = makeDiffClipVision("dagger", tiny)
      const params = model.init(keyOf(4))
      tf.tidy(() => {
        const tokens = tf.tensor2d([[start, 1, 2, end, 0, 0, 0], [start, 4, end, 0, 0, 0, 0]], undefined, "int32")
        const batch = { images: tensorOf(images), tokens }
        const [trace, out] = [model.trace(params, batch), model.apply(params, batch)]
        expect(arrayOf(trace.imageEmbed.tensor)).toEqual(arrayOf(out.imageEmbed.tensor))
        expect(arrayOf(trace.textEmbed.tensor)).toEqual(arrayOf(out.textEmbed.tensor))
        expect([trace.vision.blocks.length, trace.text.blocks.length]).toEqual([2, 2])
        expect(trace.vision.blocks[0]?.tensor.shape).toEqual([2, 17, 12])
      })
      disposeParams(params)
    })

    it("names a lambda for each differential layer: both towers, vision only, or none", () => {
      const namesOf = <P extends Params>(
        model: { readonly init: Encoder<P>["init"]; readonly lambdas: (params: P) => Readonly<Record<string, Value>> }
      ) => {
        const params = model.init(keyOf(1))
        const lambdas = model.lambdas(params)
        for (const lambda of Object.values(lambdas)) lambda.tensor.dispose()
        disposeParams(params)
        return Object.keys(lambdas)
      }
      const count = tf.memory().numTensors
      tf.tidy(() => {
        expect(namesOf(makeDiffClip("d", tiny))).toEqual(["visual.0", "visual.1", "text.0", "text.1"])
        expect(namesOf(makeDiffClipVision("v", tiny))).toEqual(["visual.0", "visual.1"])
        expect(namesOf(makeClip("c", tiny))).toEqual([])
      })
      expect(tf.memory().numTensors).toBe(count)
    })
  })
})

describe("sizes that do not fit", () => {
  it.each([
    ["an odd number of vision heads", { vision: { width: 12, layers: 1, numHeads: 3 } }, "an even numHeads"],
    ["an odd number of text heads", { text: { width: 12, layers: 1, numHeads: 1 } }, "an even numHeads"],
    ["heads that do not divide the width", { vision: { width: 12, layers: 1, numHeads: 8 } }, "divides the width 12"],
    ["patches that do not tile the image", { patchSize: 3 }, "a multiple of the patch size 3"],
    ["no vocabulary", { vocabSize: 0 }, "a whole vocabSize above 0"],
    ["half an embedding", { embedDim: 2.5 }, "a whole embedDim above 0"]
  ])("%s is a ShapeError before any weight exists", (_, change, message) => {
    expect(() => makeDiffClip("bad", { ...tiny, ...change })).toThrow(ShapeError)
    expect(() => makeDiffClip("bad", { ...tiny, ...change })).toThrow(message)
  })

  const words = [1, 2, 3, 4, 5, 6, 7]
  it.each([
    ["too short", [0, 1, 49406, 49407], "a tokenTable of vocabSize 10 ids, found a tokenTable of 4"],
    ["too long", [0, ...words, 8, 49406, 49407], "a tokenTable of vocabSize 10 ids, found a tokenTable of 11"],
    ["without the end tokens", [0, ...words, 8, 9], "ends with 49406, 49407, found 0 first, 8, 9 last"],
    ["without padding", [1, ...words, 49406, 49407], "starts with 0"],
    ["with an id that CLIP lacks", [0, ...words.slice(1), 49408, 49406, 49407], "ids from 0 to 49407"],
    ["with an id twice", [0, 2, ...words.slice(1), 49406, 49407], "each id once in a tokenTable of 10"]
  ])("a token table %s is a ShapeError", (_, tokenTable, message) => {
    expect(() => makeClip("bad", tiny, { tokenTable })).toThrow(ShapeError)
    expect(() => makeClip("bad", tiny, { tokenTable })).toThrow(message)
  })

  it("a token table that lists each row's id is the model's, and a model without one takes token ids", () => {
    const tokenTable = [0, ...words, 49406, 49407]
    expect(makeClip("table", tiny, { tokenTable }).transform.text.tokenTable).toEqual(tokenTable)
    expect(makeClip("ids", tiny).transform.text).not.toHaveProperty("tokenTable")
  })

  it("CLIP, and the text tower of the vision-only model, may have odd heads", () => {
    expect(makeClip("odd", { ...tiny, vision: { width: 12, layers: 1, numHeads: 3 } }).embedDim).toBe(6)
    expect(makeDiffClipVision("odd", { ...tiny, text: { width: 12, layers: 1, numHeads: 3 } }).embedDim).toBe(6)
  })

  it("clipFromConfig rebuilds a model from its stored settings", () => {
    for (const [name, model] of models) {
      const rebuilt = clipFromConfig(name, model.settings)
      expect([rebuilt.numParameters, rebuilt.settings]).toEqual([model.numParameters, model.settings])
    }
  })

  describe("in a batch", () => {
    onEachEngine(() => {
      it("images of another size, tokens of another length and tokens that are no integers are ShapeErrors", () => {
        const model = makeDiffClip("diffClip", tiny)
        const params = model.init(keyOf(1))
        const run = (call: () => Value) => () => tf.tidy(() => call().tensor)
        const wrongImages = run(() => model.encodeImage(params, tf.zeros([1, 3, 8, 10])))
        expect(wrongImages).toThrow("encodeImage: expected images of shape [any, 3, 8, 8], found [1, 3, 8, 10]")
        const wrongTokens = run(() => model.encodeText(params, tf.zeros([1, 8], "int32")))
        expect(wrongTokens).toThrow("encodeText: expected tokens [B, 1 to 7], found [1, 8]")
        expect(run(() => model.encodeText(params, tf.zeros([1, 7])))).toThrow("int32 tokens, found float32 tokens")
        expect(run(() => model.encodeText(params, tf.fill([1, 7], 10, "int32")))).toThrow("10")
        disposeParams(params)
      })
    })
  })
})
