import { describe, expect, it } from "vitest"
import { officialNames, withoutModule } from "../../lib/checkpoint/index.ts"
import type { ClipConfig, ParamsOf } from "../../lib/models/index.ts"
import { clip, clipFromConfig, diffClip, diffClipStar, diffClipVision } from "../../lib/models/index.ts"
import { specsOf } from "../../lib/nn/index.ts"
import { sizeOf } from "../../lib/tensor/index.ts"
import { goldensWith, list, metadataJson, namesUnder, text } from "../reference/golden.ts"
import { configOf } from "./tiny.ts"

const published = [clip, diffClip, diffClipStar, diffClipVision]

/** The published rule: no decay for fewer than 2 dimensions, or a name that contains bias, ln or bn (REFERENCE 4.2). */
const decaysByName = (name: string, shape: ReadonlyArray<number>): boolean =>
  shape.length >= 2 && !["bias", "ln", "bn"].some((part) => name.includes(part))

const treeOf = (config: ClipConfig) =>
  specsOf<ParamsOf["clip"] | ParamsOf["diffClip"] | ParamsOf["diffClipVision"]>(clipFromConfig("tree", config).specs)

describe("official names", () => {
  it.each(published.map((model) => [model.name, model.settings] as const))(
    "name each parameter of the tree of %s once",
    (_, settings) => {
      const names = officialNames(settings)
      expect(new Set(names.map(({ name }) => name)).size).toBe(names.length)
      expect(names.map(({ path }) => path).sort()).toEqual(treeOf(settings).map(({ path }) => path).sort())
    }
  )

  it("are 301, 517, 517 and 409 at ViT-B/16, with the published numbers of parameters", () => {
    const counted = published.map(({ settings }) => {
      const names = officialNames(settings)
      return [names.length, names.reduce((sum, { shape }) => sum + sizeOf(shape), 0)]
    })
    expect(counted).toEqual([[301, 149_619_969], [517, 149_629_185], [517, 149_629_185], [409, 149_624_577]])
  })

  it("150 or 258 of them are the vision tower's, 147 or 255 the text blocks', embedding's and last norm's", () => {
    const parts = published.map(({ settings }) => {
      const names = officialNames(settings).map(({ name }) => name)
      const text = names.filter((name) => /^(transformer|token_embedding|ln_final)\b/.test(name))
      return [names.filter((name) => name.startsWith("visual.")).length, text.length]
    })
    expect(parts).toEqual([[150, 147], [258, 255], [258, 255], [258, 147]])
  })

  it("come in registration order: own parameters first, lambdas before projections, text attention before ln_1", () => {
    const block = (settings: ClipConfig, prefix: string): ReadonlyArray<string> =>
      officialNames(settings).map(({ name }) => name).filter((name) => name.startsWith(prefix)).map((name) =>
        name.slice(prefix.length)
      )
    const attn = ["lambda_q1", "lambda_k1", "lambda_q2", "lambda_k2"].concat(
      ["q_proj", "k_proj", "v_proj", "out_proj"].flatMap((name) => [`${name}.weight`, `${name}.bias`]),
      "diff_norm.weight"
    ).map((name) => `attn.${name}`)
    const both = (name: string): ReadonlyArray<string> => [`${name}.weight`, `${name}.bias`]
    expect(block(diffClip.settings, "visual.blocks.3.")).toEqual(
      [...both("norm1"), ...attn, ...both("norm2"), ...both("mlp.fc1"), ...both("mlp.fc2")]
    )
    expect(block(diffClip.settings, "transformer.resblocks.3.")).toEqual(
      [...attn, ...both("ln_1"), ...both("mlp.c_fc"), ...both("mlp.c_proj"), ...both("ln_2")]
    )
    expect(block(clip.settings, "visual.blocks.3.").slice(2, 6)).toEqual([...both("attn.qkv"), ...both("attn.proj")])
    expect(block(clip.settings, "transformer.resblocks.3.").slice(0, 4)).toEqual(
      ["attn.in_proj_weight", "attn.in_proj_bias", ...both("attn.out_proj")]
    )
    expect(officialNames(clip.settings).slice(0, 6).map(({ name }) => name)).toEqual(
      [
        "positional_embedding",
        "image_projection",
        "text_projection",
        "logit_scale",
        "visual.cls_token",
        "visual.pos_embed"
      ]
    )
  })

  it("lose one leading module., no more", () => {
    expect(withoutModule("module.module.x")).toBe("module.x")
    expect(withoutModule("visual.module.x")).toBe("visual.module.x")
  })
})

describe.each(goldensWith("layernorm_eps"))("$file", (golden) => {
  it("its state maps one to one onto the tree, with equal shapes", () => {
    const names = officialNames(configOf(golden))
    expect(names.map(({ name }) => name).sort()).toEqual([...namesUnder(golden, "state.")].sort())
    for (const { name, shape } of names) expect(golden.tensor(`state.${name}`).shape, name).toEqual(shape)
  })
})

describe("the decay rule", () => {
  it.each(goldensWith("decay"))("of $file splits the names, in order, as the official optimizer does", (golden) => {
    const names = officialNames(configOf(golden))
    const matrices = names.filter(({ shape }) => shape.length >= 2).map(({ name }) => name)
    const others = names.filter(({ shape }) => shape.length < 2).map(({ name }) => name)
    expect(matrices).toEqual(list(metadataJson(golden, "decay"), text))
    expect(others).toEqual(list(metadataJson(golden, "no_decay"), text))
  })

  it("numbers the parameters as the optimizer of a published checkpoint does", () => {
    for (const golden of goldensWith("param_group_names")) {
      const names = officialNames(configOf(golden))
      const groups = list(metadataJson(golden, "param_group_names"), (group) => list(group, text).map(withoutModule))
      expect(groups).toEqual(
        [true, false].map((isMatrix) =>
          names.filter(({ shape }) => shape.length >= 2 === isMatrix).map(({ name }) => name)
        )
      )
    }
  })

  it("on the tree (two dimensions or more) is the published rule by names, in all four models", () => {
    for (const { settings } of published) {
      for (const { name, shape } of officialNames(settings)) {
        expect(shape.length >= 2, name).toBe(decaysByName(name, shape))
      }
    }
  })

  it("decays 103, 151, 151 and 127 tensors, 149,416,960 numbers each", () => {
    const counted = published.map(({ settings }) => {
      const matrices = officialNames(settings).filter(({ shape }) => shape.length >= 2)
      return [matrices.length, matrices.reduce((sum, { shape }) => sum + sizeOf(shape), 0)]
    })
    expect(counted).toEqual([103, 151, 151, 127].map((count) => [count, 149_416_960]))
  })
})
