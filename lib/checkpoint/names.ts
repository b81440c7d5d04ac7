import type { ClipConfig, ClipKind, ParamsOf } from "../models/index.ts"
import { clipFromConfig } from "../models/index.ts"
import { specsOf } from "../nn/index.ts"
import type { Shape } from "../tensor/index.ts"

/** A parameter under both names: the official state dict's and the path in our tree. */
export interface OfficialName {
  readonly name: string
  readonly path: string
  readonly shape: Shape
}

type Pair = readonly [name: string, path: string]

const pair = (name: string, path: string): ReadonlyArray<Pair> => [
  [`${name}.weight`, `${path}.weight`],
  [`${name}.bias`, `${path}.bias`]
]

/** Lambdas first: a module's own parameters come before its children. */
const differential: ReadonlyArray<Pair> = [
  ["attn.lambda_q1", "attn.lambda.q1"],
  ["attn.lambda_k1", "attn.lambda.k1"],
  ["attn.lambda_q2", "attn.lambda.q2"],
  ["attn.lambda_k2", "attn.lambda.k2"],
  ...pair("attn.q_proj", "attn.q"),
  ...pair("attn.k_proj", "attn.k"),
  ...pair("attn.v_proj", "attn.v"),
  ...pair("attn.out_proj", "attn.out"),
  ["attn.diff_norm.weight", "attn.subNorm"]
]

/** timm's attention. */
const plainVision: ReadonlyArray<Pair> = [...pair("attn.qkv", "attn.qkv"), ...pair("attn.proj", "attn.out")]

/** torch's MultiheadAttention, whose packed projection is its own parameter and no module. */
const plainText: ReadonlyArray<Pair> = [
  ["attn.in_proj_weight", "attn.qkv.weight"],
  ["attn.in_proj_bias", "attn.qkv.bias"],
  ...pair("attn.out_proj", "attn.out")
]

const visionBlock = (attention: ReadonlyArray<Pair>): ReadonlyArray<Pair> => [
  ...pair("norm1", "norm1"),
  ...attention,
  ...pair("norm2", "norm2"),
  ...pair("mlp.fc1", "mlp.fc1"),
  ...pair("mlp.fc2", "mlp.fc2")
]

const textBlock = (attention: ReadonlyArray<Pair>): ReadonlyArray<Pair> => [
  ...attention,
  ...pair("ln_1", "norm1"),
  ...pair("mlp.c_fc", "mlp.fc1"),
  ...pair("mlp.c_proj", "mlp.fc2"),
  ...pair("ln_2", "norm2")
]

const blocks = (layers: number, name: string, path: string, block: ReadonlyArray<Pair>): ReadonlyArray<Pair> =>
  Array.from({ length: layers }, (_, i) => i).flatMap((i) =>
    block.map(([n, p]): Pair => [`${name}.${i}.${n}`, `${path}.${i}.${p}`])
  )

const pairsOf = ({ kind, vision, text }: ClipConfig): ReadonlyArray<Pair> => [
  ["positional_embedding", "text.posEmbed"],
  ["image_projection", "imageProjection"],
  ["text_projection", "textProjection"],
  ["logit_scale", "logitScale"],
  ["visual.cls_token", "visual.clsToken"],
  ["visual.pos_embed", "visual.posEmbed"],
  ...pair("visual.patch_embed.proj", "visual.patchEmbed"),
  ...blocks(vision.layers, "visual.blocks", "visual.blocks", visionBlock(kind === "clip" ? plainVision : differential)),
  ...pair("visual.norm", "visual.norm"),
  ...blocks(
    text.layers,
    "transformer.resblocks",
    "text.blocks",
    textBlock(kind === "clip" || kind === "diffClipVision" ? plainText : differential)
  ),
  ["token_embedding.weight", "text.tokenEmbed"],
  ...pair("ln_final", "text.norm")
]

/**
 * All parameters of a model under their official names and our paths, in the official registration order: a module's own
 * parameters first, then its children. Nothing is allocated but names. Throws ShapeError where the sizes of the model do
 * not fit each other. Source: REFERENCE 2.5.
 */
export const officialNames = (config: ClipConfig): ReadonlyArray<OfficialName> => {
  const specs = specsOf<ParamsOf[ClipKind]>(clipFromConfig("officialNames", config).specs)
  const shapes = new Map(specs.map(({ path, spec }) => [path, spec.shape]))
  return pairsOf(config).map(([name, path]) => {
    const shape = shapes.get(path)
    if (shape === undefined) throw new Error(`officialNames: the tree of ${config.kind} has no parameter ${path}`)
    return { name, path, shape }
  })
}

/** A name as models are given it: without the one leading `module.` that data-parallel training puts there (trap 59). */
export const withoutModule = (name: string): string => name.startsWith("module.") ? name.slice(7) : name
