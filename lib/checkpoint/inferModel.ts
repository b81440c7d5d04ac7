import { Effect } from "effect"
import type { ClipConfig, ClipKind, TowerConfig } from "../models/index.ts"
import type { Shape } from "../tensor/index.ts"
import { showShape } from "../tensor/index.ts"
import type { CheckpointError } from "./errors.ts"
import { checkpointError } from "./errors.ts"
import type { ModelDescription } from "./modelConfig.ts"

/** A model that names and shapes suggest, and a sentence that says what was taken for granted. */
export interface InferredModel {
  readonly description: ModelDescription
  readonly announcement: string
}

/** The published models' (REFERENCE 2.1): weights hold neither. */
const HEAD_WIDTH = 64
const LAMBDA_INIT = 0.8
const MAX_LAYERS = 1024

type Shapes = ReadonlyMap<string, Shape>

interface Problem {
  readonly tensor: string
  readonly expected: string
  readonly found: string
}

/** A tensor's size along `axis`; a problem where it is absent or has another rank. */
const sizeAt = (shapes: Shapes, tensor: string, rank: number, axis: number): number | Problem => {
  const shape = shapes.get(tensor)
  const size = shape?.length === rank ? shape[axis] : undefined
  return size ?? { tensor, expected: `${rank} axes`, found: shape === undefined ? "no such tensor" : showShape(shape) }
}

const countBlocks = (shapes: Shapes, name: (layer: number) => string): number => {
  let layers = 0
  while (layers < MAX_LAYERS && shapes.has(name(layers))) layers++
  return layers
}

const isProblem = (x: number | Problem | TowerConfig): x is Problem => typeof x === "object" && "expected" in x

/** Where a tower's parts are called what. */
interface TowerNames {
  readonly block: (layer: number) => string
  readonly norm: string
  readonly plain: string
}

const VISION: TowerNames = { block: (i) => `visual.blocks.${i}.`, norm: "norm1.weight", plain: "attn.qkv.weight" }
const TEXT: TowerNames = {
  block: (i) => `transformer.resblocks.${i}.`,
  norm: "ln_1.weight",
  plain: "attn.in_proj_weight"
}

const isDifferential = (shapes: Shapes, { block }: TowerNames): boolean => shapes.has(`${block(0)}attn.lambda_q1`)

/** Differential attention's lambda vectors are as long as a head is wide; plain attention does not say. */
const towerOf = (shapes: Shapes, names: TowerNames): TowerConfig | Problem => {
  const { block, norm } = names
  const layers = countBlocks(shapes, (i) => `${block(i)}${norm}`)
  const width = sizeAt(shapes, `${block(0)}${norm}`, 1, 0)
  if (isProblem(width)) return width
  const lambda = `${block(0)}attn.lambda_q1`
  const isPaired = isDifferential(shapes, names)
  if (!isPaired && !shapes.has(`${block(0)}${names.plain}`)) {
    return { tensor: `${block(0)}${names.plain}`, expected: `it, or ${lambda}`, found: "neither" }
  }
  const headWidth = isPaired ? sizeAt(shapes, lambda, 1, 0) : HEAD_WIDTH
  if (isProblem(headWidth)) return headWidth
  if (headWidth > 0 && width % headWidth === 0) return { width, layers, numHeads: width / headWidth }
  const expected = `a width that heads of ${headWidth} divide`
  return { tensor: `${block(0)}${norm}`, expected, found: `${width}` }
}

const kindOf = (vision: boolean, text: boolean): ClipKind | Problem => {
  if (vision) return text ? "diffClip" : "diffClipVision"
  if (!text) return "clip"
  const tensor = `${VISION.block(0)}attn.lambda_q1`
  return { tensor, expected: "differential attention in the image tower too", found: "it in the text tower alone" }
}

const configOf = (shapes: Shapes): ClipConfig | Problem => {
  const kind = kindOf(isDifferential(shapes, VISION), isDifferential(shapes, TEXT))
  if (typeof kind !== "string") return kind
  const [vision, text] = [towerOf(shapes, VISION), towerOf(shapes, TEXT)]
  if (isProblem(vision)) return vision
  if (isProblem(text)) return text
  const patchSize = sizeAt(shapes, "visual.patch_embed.proj.weight", 4, 3)
  const tokens = sizeAt(shapes, "visual.pos_embed", 3, 1)
  const contextLength = sizeAt(shapes, "positional_embedding", 2, 0)
  const vocabSize = sizeAt(shapes, "token_embedding.weight", 2, 0)
  const embedDim = sizeAt(shapes, "text_projection", 2, 1)
  if (isProblem(patchSize)) return patchSize
  if (isProblem(tokens)) return tokens
  if (isProblem(contextLength)) return contextLength
  if (isProblem(vocabSize)) return vocabSize
  if (isProblem(embedDim)) return embedDim
  const side = Math.round(Math.sqrt(tokens - 1))
  if (tokens < 2 || side * side !== tokens - 1) {
    return { tensor: "visual.pos_embed", expected: "a square of patches and one more token", found: `${tokens}` }
  }
  const imageSize = side * patchSize
  return { kind, imageSize, patchSize, vision, text, contextLength, vocabSize, embedDim, lambdaInit: LAMBDA_INIT }
}

const tower = (name: string, { width, layers, numHeads }: TowerConfig): string =>
  `${name} tower of ${layers} layers, width ${width}, ${numHeads} heads`

const announce = (file: string, config: ClipConfig): string => {
  const { kind, imageSize, patchSize, vision, text } = config
  const sizes = `${kind}, ${imageSize} pixels in patches of ${patchSize}, ${tower("image", vision)}, ${
    tower("text", text)
  }`
  const guesses = [
    ...(kind === "clip" || kind === "diffClipVision" ? [`heads of width ${HEAD_WIDTH}`] : []),
    ...(kind === "clip" ? [] : [`lambdaInit ${LAMBDA_INIT}`])
  ]
  return `${file} does not say which model it is of; taken for ${sizes}, with ${guesses.join(" and ")} assumed. ` +
    "Name the model (--model) if it is another"
}

/**
 * The model of a checkpoint that does not describe one, from the official names (without `module.`) and shapes of its
 * tensors. Kind: by where lambdas are; a star looks like DiffCLIP and is taken for it. Sizes: from shapes. Heads: by the
 * length of the lambdas, in plain towers of width 64. lambdaInit: 0.8. Fails with `unknownModel`, naming the tensor that
 * does not fit. Source: REFERENCE 2.1, 2.5; DESIGN 5.
 */
export const inferModel = (file: string, shapes: Shapes): Effect.Effect<InferredModel, CheckpointError> =>
  Effect.suspend((): Effect.Effect<InferredModel, CheckpointError> => {
    const config = configOf(shapes)
    if ("expected" in config) {
      const advice = "name the model that it is of (--model)"
      return checkpointError({ reason: "unknownModel", file, ...config, advice })
    }
    const description: ModelDescription = { name: config.kind, config, input: { truncate: "asPublished" } }
    return Effect.succeed({ description, announcement: announce(file, config) })
  })
