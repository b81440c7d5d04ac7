import type { Tensor } from "@tensorflow/tfjs-core"
import type { Block } from "../nn/index.ts"
import { block, layerNorm } from "../nn/index.ts"
import * as ops from "../ops/index.ts"
import type { Value } from "../tensor/index.ts"
import { checkShape, ShapeError, showShape, value } from "../tensor/index.ts"
import type { ClipConfig } from "./config.ts"
import { layerNormEps } from "./config.ts"
import type { TextTower, VisionTower } from "./params.ts"

/** One layer's attention as a function of its parameters and its normalised input. */
export type Attend<A> = (p: A, x: Value) => Value

/** What the image tower did on the way. P = patches, N = 1 + P. */
export interface VisionTrace {
  /** [B, P, D], before class token and positions. */
  readonly embedded: Value
  /** The output of each block, [B, N, D]. */
  readonly blocks: ReadonlyArray<Value>
  /** The class token after the final norm, [B, D]. */
  readonly pooled: Value
}

/** What the text tower did on the way. */
export interface TextTrace {
  /** [B, L, D], positions included. */
  readonly embedded: Value
  /** The output of each block, [B, L, D]. */
  readonly blocks: ReadonlyArray<Value>
  /** All tokens after the final norm, [B, L, D]. */
  readonly normed: Value
  /** Of these the one at the first maximum of the ids, [B, D]. */
  readonly pooled: Value
}

const runBlocks = <A>(
  blocks: ReadonlyArray<Block<A>>,
  attend: (layer: number) => Attend<A>,
  activation: "gelu" | "quickGelu",
  eps: number,
  x: Value
): ReadonlyArray<Value> => {
  const outputs: Array<Value> = []
  let current = x
  blocks.forEach((p, layer) => {
    current = block(attend(layer), activation, eps)(p, current)
    outputs.push(current)
  })
  return outputs
}

/** images [B, 3, S, S] -> every stage of the image tower; the class token is pooled. Source: REFERENCE 2.2. */
export const runVision = <A>(
  config: ClipConfig,
  attend: (layer: number) => Attend<A>,
  p: VisionTower<A>,
  images: Tensor
): VisionTrace => {
  const size = config.imageSize
  checkShape("encodeImage", "images", images, [undefined, 3, size, size])
  const d = config.vision.width
  const b = images.shape[0] ?? 0
  const eps = layerNormEps(config.kind, "vision")
  const kernel = ops.reshape(p.patchEmbed.weight, [d, 3 * config.patchSize ** 2]) // [D, 3, p, p] -> [D, 3 p p]
  const embedded = ops.linear(ops.patchify(value(images), config.patchSize), kernel, p.patchEmbed.bias) // [B, P, D]
  const withClass = ops.concat([ops.repeatFirst(p.clsToken, b), embedded], 1) // [B, P, D] -> [B, N, D]
  const blocks = runBlocks(p.blocks, attend, "gelu", eps, ops.add(withClass, p.posEmbed))
  const last = blocks.at(-1) ?? withClass
  // Only the class token is used, and layer norm works on each token alone: norm after the slice.
  const cls = ops.reshape(ops.slice(last, 1, 0, 1), [b, d]) // [B, N, D] -> [B, D]
  const pooled = layerNorm(eps)(p.norm, cls)
  return { embedded, blocks, pooled }
}

/**
 * tokens [B, L] int32 -> every stage of the text tower; pooled at the first maximum of the ids. L is the context length or
 * less: no token sees what comes after it, so what stands after the pooled one may be left out. Source: REFERENCE 2.2.
 */
export const runText = <A>(
  config: ClipConfig,
  attend: (layer: number) => Attend<A>,
  p: TextTower<A>,
  tokens: Tensor
): TextTrace => {
  checkShape("encodeText", "tokens", tokens, [undefined, undefined])
  const l = tokens.shape[1] ?? 0
  if (l < 1 || l > config.contextLength) {
    throw new ShapeError("encodeText", `tokens [B, 1 to ${config.contextLength}]`, showShape(tokens.shape))
  }
  if (tokens.dtype !== "int32") throw new ShapeError("encodeText", "int32 tokens", `${tokens.dtype} tokens`)
  const b = tokens.shape[0] ?? 0
  const d = config.text.width
  const eps = layerNormEps(config.kind, "text")
  const positions = l === config.contextLength ? p.posEmbed : ops.slice(p.posEmbed, 0, 0, l) // [L, D]
  const embedded = ops.add(ops.gatherRows(p.tokenEmbed, tokens), positions) // [B, L, D]
  const blocks = runBlocks(p.blocks, attend, "quickGelu", eps, embedded)
  const last = blocks.at(-1) ?? embedded
  const normed = layerNorm(eps)(p.norm, last)
  // The end-of-text token has the largest id; a row without one is pooled at whatever id is largest.
  const pooled = ops.gatherRows(ops.reshape(normed, [b * l, d]), ops.firstMaxima(tokens)) // [B L, D] -> [B, D]
  return { embedded, blocks, normed, pooled }
}
