import type { NamedArray } from "../../lib/checkpoint/index.ts"
import { officialNames } from "../../lib/checkpoint/index.ts"
import type { AnyClip } from "../../lib/checkpoint/index.ts"
import type { ClipConfig, ClipInput, ClipKind } from "../../lib/models/index.ts"
import { clipFromConfig } from "../../lib/models/index.ts"
import { fold, keyOf, normal, sizeOf } from "../../lib/tensor/index.ts"
import type { Golden } from "../reference/golden.ts"
import { field, metadataJson, number } from "../reference/golden.ts"

const kinds: Readonly<Record<string, ClipKind>> = {
  clip: "clip",
  diffclip: "diffClip",
  star: "diffClipStar",
  dagger: "diffClipVision"
}

/** The configuration of the model that a golden file is about; `kind` where its metadata do not say. */
export const configOf = (golden: Golden, kind = "diffclip"): ClipConfig => {
  const config = metadataJson(golden, "config")
  const size = (key: string): number => number(field(config, key))
  const ours = kinds[golden.metadata["kind"] ?? kind]
  if (ours === undefined) throw new TypeError(`no kind is called ${golden.metadata["kind"]}`)
  return {
    kind: ours,
    imageSize: size("image_size"),
    patchSize: size("patch_size"),
    vision: { width: size("vision_width"), layers: size("vision_layers"), numHeads: size("vision_heads") },
    text: { width: size("text_width"), layers: size("text_layers"), numHeads: size("text_heads") },
    contextLength: size("context_length"),
    vocabSize: size("vocab_size"),
    embedDim: size("embed_dim"),
    lambdaInit: ours === "diffClipStar" ? "depth" : 0.8
  }
}

/** A model of a few hundred numbers. */
export const tinyModel = (kind: ClipKind = "diffClip", input: ClipInput = {}, width = 4): AnyClip =>
  clipFromConfig(`tiny ${kind}`, {
    kind,
    imageSize: 4,
    patchSize: 2,
    vision: { width, layers: 2, numHeads: 2 },
    text: { width: 4, layers: 1, numHeads: 2 },
    contextLength: 5,
    vocabSize: 7,
    embedDim: 3,
    lambdaInit: kind === "diffClipStar" ? "depth" : 0.8
  }, input)

/** Arbitrary numbers for all parameters of a model, in official order, under `prefix`. */
export const arraysFor = (model: AnyClip, seed: number, prefix = ""): ReadonlyArray<NamedArray> =>
  officialNames(model.settings).map(({ path, shape }) => ({
    path: `${prefix}${path}`,
    shape,
    data: normal(fold(keyOf(seed), prefix, path), sizeOf(shape), 1)
  }))
