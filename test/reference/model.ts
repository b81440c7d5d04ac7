import { at, type F64 } from "./array.ts"
import { diffAttentionModule, packedAttention } from "./attention.ts"
import { add, exp, gelu, quickGelu } from "./elementwise.ts"
import { linear, matmul } from "./matmul.ts"
import { layerNorm } from "./norms.ts"
import { concat, gatherRows, permute, repeat, reshape, slice } from "./shapes.ts"
import { constant, type Node } from "./tape.ts"

/** `clip`: no differential attention; `diffclip`, `star`: in both towers; `dagger`: in the vision tower only. */
export type ModelKind = "clip" | "diffclip" | "dagger" | "star"

/** Sizes of a model, as in the golden files. */
export interface ModelConfig {
  readonly imageSize: number
  readonly patchSize: number
  readonly visionLayers: number
  readonly visionHeads: number
  readonly textLayers: number
  readonly textHeads: number
}

/** Parameters by their official names. */
export type State = Readonly<Record<string, Node>>

/** Token ids [B, L], row by row. */
export interface Tokens {
  readonly shape: ReadonlyArray<number>
  readonly data: ArrayLike<number>
}

/** What `model` computes. Embeddings [B, E] are not normalised; `scale` is exp(logit_scale), shape []. */
export interface ModelOutput {
  readonly imageEmbed: Node
  readonly textEmbed: Node
  readonly scale: Node
  /** Under the names of the golden files without `act.`: `patch_embed`, `visual.blocks.0`, `ln_final`, ... */
  readonly activations: Readonly<Record<string, Node>>
  /** lambda of each differential attention module, by the module's name. */
  readonly lambdas: Readonly<Record<string, Node>>
}

/** lambdaInit of block `index`, counted from 0: 0.8 - 0.6 exp(-0.3 index) for `star`, else 0.8. */
export const lambdaInitOf = (kind: ModelKind, index: number): number =>
  kind === "star" ? 0.8 - 0.6 * Math.exp(-0.3 * index) : 0.8

/** LayerNorm eps: 1e-6 in the vision tower of `clip`, 1e-5 everywhere else. */
export const layerNormEps = (kind: ModelKind, tower: "vision" | "text"): number =>
  kind === "clip" && tower === "vision" ? 1e-6 : 1e-5

/** Position of the first maximum in each row of token ids. */
export const firstMaximum = (tokens: Tokens): Array<number> => {
  const [B = 0, L = 0] = tokens.shape
  return Array.from({ length: B }, (_, b) => {
    let best = 0
    for (let l = 1; l < L; l++) if (at(tokens.data, b * L + l) > at(tokens.data, b * L + best)) best = l
    return best
  })
}

/** Images [B, C, S, S] cut into patches, row by row: [B, P, C p p], each in the order of a convolution's weight. */
export const patchesOf = (images: Node, patchSize: number): Node => {
  const [B = 0, C = 0, S = 0] = images.value.shape
  const grid = S / patchSize
  const cut = reshape(images, [B, C, grid, patchSize, grid, patchSize])
  return reshape(permute(cut, [0, 2, 4, 1, 3, 5]), [B, grid * grid, C * patchSize * patchSize])
}

interface Input {
  readonly kind: ModelKind
  readonly config: ModelConfig
  readonly state: State
  readonly images: F64
  readonly tokens: Tokens
}

/**
 * A whole model: images [B, 3, S, S] (already normalised) and token ids [B, L] to embeddings.
 * Source: GOLDENS section 4, REFERENCE section 2.2.
 */
export const model = ({ kind, config, state, images, tokens }: Input): ModelOutput => {
  const activations: Record<string, Node> = {}
  const lambdas: Record<string, Node> = {}
  const keep = (name: string, node: Node): Node => (activations[name] = node)
  const p = (name: string): Node => {
    const found = state[name]
    if (found === undefined) throw new RangeError(`the state has no parameter ${name}`)
    return found
  }
  const norm = (x: Node, name: string, tower: "vision" | "text"): Node =>
    layerNorm(x, p(`${name}.weight`), p(`${name}.bias`), layerNormEps(kind, tower))
  const project = (x: Node, name: string): Node => linear(x, p(`${name}.weight`), p(`${name}.bias`))

  const differential = (x: Node, name: string, numHeads: number, causal: boolean, index: number): Node => {
    const result = diffAttentionModule(x, (part) => p(`${name}.${part}`), {
      numHeads,
      causal,
      lambdaInit: lambdaInitOf(kind, index)
    })
    lambdas[name] = result.lambda
    return result.out
  }

  const visionBlock = (x: Node, index: number): Node => {
    const name = `visual.blocks.${index}`
    const options = { numHeads: config.visionHeads, causal: false }
    const normed = norm(x, `${name}.norm1`, "vision")
    const packed = (): Node => {
      const weights = { weight: p(`${name}.attn.qkv.weight`), bias: p(`${name}.attn.qkv.bias`) }
      return project(packedAttention(normed, weights, options).out, `${name}.attn.proj`)
    }
    const mixed = kind === "clip" ? packed() : differential(normed, `${name}.attn`, options.numHeads, false, index)
    const h = add(x, mixed)
    const hidden = gelu(project(norm(h, `${name}.norm2`, "vision"), `${name}.mlp.fc1`))
    return keep(name, add(h, project(hidden, `${name}.mlp.fc2`)))
  }

  const textBlock = (x: Node, index: number): Node => {
    const name = `transformer.resblocks.${index}`
    const options = { numHeads: config.textHeads, causal: true }
    const normed = norm(x, `${name}.ln_1`, "text")
    const packed = (): Node => {
      const weights = { weight: p(`${name}.attn.in_proj_weight`), bias: p(`${name}.attn.in_proj_bias`) }
      return project(packedAttention(normed, weights, options).out, `${name}.attn.out_proj`)
    }
    const isPlain = kind === "clip" || kind === "dagger"
    const mixed = isPlain ? packed() : differential(normed, `${name}.attn`, options.numHeads, true, index)
    const h = add(x, mixed)
    const hidden = quickGelu(project(norm(h, `${name}.ln_2`, "text"), `${name}.mlp.c_fc`))
    return keep(name, add(h, project(hidden, `${name}.mlp.c_proj`)))
  }

  const encodeImage = (): Node => {
    const weight = p("visual.patch_embed.proj.weight") // [W, C, p, p]
    const [W = 0, C = 0, height = 0, width = 0] = weight.value.shape
    const B = at(images.shape, 0)
    const patches = patchesOf(constant(images), config.patchSize)
    const flat = reshape(weight, [W, C * height * width])
    const embedded = keep("patch_embed", linear(patches, flat, p("visual.patch_embed.proj.bias"))) // [B, P, W]
    const clsToken = repeat(reshape(p("visual.cls_token"), [1, W]), B) // [B, 1, W]
    let h = add(concat([clsToken, embedded], 1), p("visual.pos_embed")) // [B, P + 1, W]
    for (let index = 0; index < config.visionLayers; index++) h = visionBlock(h, index)
    const pooled = keep("visual_pooled", reshape(slice(norm(h, "visual.norm", "vision"), 1, 0, 1), [B, W]))
    return matmul(pooled, p("image_projection"))
  }

  const encodeText = (): Node => {
    const [B = 0, L = 0] = tokens.shape
    let h = add(gatherRows(p("token_embedding.weight"), tokens.data, [B, L]), p("positional_embedding")) // [B, L, T]
    for (let index = 0; index < config.textLayers; index++) h = textBlock(h, index)
    const normed = keep("ln_final", norm(h, "ln_final", "text"))
    const T = at(normed.value.shape, 2)
    const pooled = gatherRows(reshape(normed, [B * L, T]), firstMaximum(tokens).map((l, b) => b * L + l)) // [B, T]
    return matmul(pooled, p("text_projection"))
  }

  return { imageEmbed: encodeImage(), textEmbed: encodeText(), scale: exp(p("logit_scale")), activations, lambdas }
}
