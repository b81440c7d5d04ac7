import { Schema } from "effect"
import type { OfficialName } from "../../lib/checkpoint/index.ts"
import { officialNames } from "../../lib/checkpoint/index.ts"
import type { Clip, ClipConfig, ClipParams } from "../../lib/models/index.ts"
import { makeClip, makeDiffClip, makeDiffClipStar, makeDiffClipVision } from "../../lib/models/index.ts"
import { mapSpecs } from "../../lib/nn/index.ts"
import type { Golden } from "./golden.ts"
import { decode } from "./golden.ts"
import { valueOf } from "./tensors.ts"

const Config = Schema.Struct({
  image_size: Schema.Int,
  patch_size: Schema.Int,
  vision_width: Schema.Int,
  vision_layers: Schema.Int,
  vision_heads: Schema.Int,
  text_width: Schema.Int,
  text_layers: Schema.Int,
  text_heads: Schema.Int,
  context_length: Schema.Int,
  vocab_size: Schema.Int,
  embed_dim: Schema.Int
})

const Kind = Schema.Literals(["clip", "diffclip", "dagger", "star"])

/** What to do with a model of a golden file, whichever of the four kinds it is. */
export interface WithModel<R> {
  <VA, TA>(model: Clip<ClipParams<VA, TA>>): R
}

/** The sizes in a golden file's metadata. Throws GoldenProblem where they are absent. */
export const sizesOf = (golden: Golden): Omit<ClipConfig, "kind" | "lambdaInit"> => {
  const config = golden.json("config", Config)
  return {
    imageSize: config.image_size,
    patchSize: config.patch_size,
    vision: { width: config.vision_width, layers: config.vision_layers, numHeads: config.vision_heads },
    text: { width: config.text_width, layers: config.text_layers, numHeads: config.text_heads },
    contextLength: config.context_length,
    vocabSize: config.vocab_size,
    embedDim: config.embed_dim
  }
}

/** Builds the library's own model of a golden file and hands it to `use`. */
export const withModel = <R>(golden: Golden, use: WithModel<R>): R => {
  const sizes = sizesOf(golden)
  switch (decode("metadata kind", Kind, golden.text("kind"))) {
    case "clip":
      return use(makeClip(golden.file, sizes))
    case "diffclip":
      return use(makeDiffClip(golden.file, sizes))
    case "dagger":
      return use(makeDiffClipVision(golden.file, sizes))
    case "star":
      return use(makeDiffClipStar(golden.file, sizes))
  }
}

/** The model's parameters under both names, by path in our tree. */
export const namesByPath = (settings: ClipConfig): ReadonlyMap<string, OfficialName> =>
  new Map(officialNames(settings).map((name) => [name.path, name]))

/** The official name of a path. */
export const officialOf = (names: ReadonlyMap<string, OfficialName>, path: string): string => {
  const found = names.get(path)
  if (found === undefined) throw new Error(`the parameter ${path} has no official name`)
  return found.name
}

/** The parameters stored under a prefix, for the scope that they are made in. Throws GoldenProblem where one lacks. */
export const paramsOf = <VA, TA>(
  golden: Golden,
  prefix: string,
  model: Clip<ClipParams<VA, TA>>
): ClipParams<VA, TA> => {
  const names = namesByPath(model.settings)
  return mapSpecs<ClipParams<VA, TA>>(
    model.specs,
    ({ path, spec }) => valueOf(golden, `${prefix}${officialOf(names, path)}`, spec.shape)
  )
}
