import type { Attention, Block, DiffAttention, Linear, Norm, SpecTree } from "../nn/index.ts"
import { constantSpec, normalSpec, type Spec, uniformSpec } from "../nn/index.ts"
import type { ClipConfig, TowerConfig } from "./config.ts"
import { log } from "../tensor/index.ts"
import { numImageTokens } from "./config.ts"
import type { ClipParams, TextTower, VisionTower } from "./params.ts"

/** A weight by its initialisation and a bias by its own. Weights are [out, in]. */
const linearSpec = (out: number, inputs: number, weight: (fanIn: number) => Spec["init"], bias: "zero" | "torch") => ({
  weight: { shape: [out, inputs], init: weight(inputs) },
  bias: bias === "zero" ? constantSpec([out], 0) : uniformSpec([out], inputs ** -0.5)
})

const torchDefault = (fanIn: number): Spec["init"] => ({ kind: "uniform", bound: fanIn ** -0.5 })
const std = (value: number) => (): Spec["init"] => ({ kind: "normal", std: value })

const normSpec = (d: number): SpecTree<Norm> => ({ weight: constantSpec([d], 1), bias: constantSpec([d], 0) })

/** How the linear layers of a tower start: weights of q/k/v, out, fc1, fc2, and the biases (REFERENCE 2.6). */
interface TowerInit {
  readonly qkv: (fanIn: number) => Spec["init"]
  readonly out: (fanIn: number) => Spec["init"]
  readonly fc1: (fanIn: number) => Spec["init"]
  readonly fc2: (fanIn: number) => Spec["init"]
  readonly attentionBias: "zero" | "torch"
  readonly mlpBias: "zero" | "torch"
}

/** The rebuilt blocks of the official code miss timm's initialisation: torch's default is what they have (trap 16). */
const DIFF_VISION: TowerInit = {
  qkv: torchDefault,
  out: torchDefault,
  fc1: torchDefault,
  fc2: torchDefault,
  attentionBias: "torch",
  mlpBias: "torch"
}

const PLAIN_VISION: TowerInit = {
  qkv: std(0.02),
  out: std(0.02),
  fc1: std(0.02),
  fc2: std(0.02),
  attentionBias: "zero",
  mlpBias: "zero"
}

const textInit = ({ width, layers }: TowerConfig, attention: "differential" | "plain"): TowerInit => ({
  qkv: std(width ** -0.5),
  out: std(width ** -0.5 * (2 * layers) ** -0.5),
  fc1: std((2 * width) ** -0.5),
  fc2: std(width ** -0.5 * (2 * layers) ** -0.5),
  attentionBias: attention === "plain" ? "zero" : "torch",
  mlpBias: "torch"
})

/** An attention's specs for a tower of width d. */
export type AttentionSpecs<A> = (tower: TowerConfig, init: TowerInit) => SpecTree<A>

/** Ordinary attention: q, k and v packed in one matrix. */
export const attentionSpecs: AttentionSpecs<Attention> = ({ width: d }, init) => ({
  qkv: linearSpec(3 * d, d, init.qkv, init.attentionBias),
  out: linearSpec(d, d, init.out, init.attentionBias)
})

/** Differential attention: N(0, 0.1) lambdas, sub-norm 1. */
export const diffAttentionSpecs: AttentionSpecs<DiffAttention> = ({ width: d, numHeads }, init) => {
  const headDim = d / numHeads
  const vector = normalSpec([headDim], 0.1)
  const projection: SpecTree<Linear> = linearSpec(d, d, init.qkv, init.attentionBias)
  return {
    lambda: { q1: vector, k1: vector, q2: vector, k2: vector },
    q: projection,
    k: projection,
    v: projection,
    out: linearSpec(d, d, init.out, init.attentionBias),
    subNorm: constantSpec([2 * headDim], 1)
  }
}

const blockSpecs = <A>(tower: TowerConfig, init: TowerInit, attn: AttentionSpecs<A>): SpecTree<Block<A>> => {
  const d = tower.width
  return {
    norm1: normSpec(d),
    attn: attn(tower, init),
    norm2: normSpec(d),
    mlp: { fc1: linearSpec(4 * d, d, init.fc1, init.mlpBias), fc2: linearSpec(d, 4 * d, init.fc2, init.mlpBias) }
  }
}

const visionSpecs = <A>(config: ClipConfig, init: TowerInit, attn: AttentionSpecs<A>): SpecTree<VisionTower<A>> => {
  const { vision, patchSize: p } = config
  const d = vision.width
  const fanIn = 3 * p * p
  return {
    clsToken: normalSpec([1, 1, d], 1e-6), // timm >= 0.6
    posEmbed: normalSpec([1, numImageTokens(config), d], 0.02),
    patchEmbed: { weight: uniformSpec([d, 3, p, p], fanIn ** -0.5), bias: uniformSpec([d], fanIn ** -0.5) },
    blocks: Array.from({ length: vision.layers }, () => blockSpecs(vision, init, attn)),
    norm: normSpec(d)
  }
}

const textSpecs = <A>(config: ClipConfig, init: TowerInit, attn: AttentionSpecs<A>): SpecTree<TextTower<A>> => {
  const { text, vocabSize, contextLength } = config
  return {
    tokenEmbed: normalSpec([vocabSize, text.width], 0.02),
    posEmbed: normalSpec([contextLength, text.width], 0.01),
    blocks: Array.from({ length: text.layers }, () => blockSpecs(text, init, attn)),
    norm: normSpec(text.width)
  }
}

/** The whole model's parameters before they exist; initialisation as REFERENCE 2.6. */
export const clipSpecs = <VA, TA>(
  config: ClipConfig,
  vision: AttentionSpecs<VA>,
  text: AttentionSpecs<TA>
): SpecTree<ClipParams<VA, TA>> => ({
  visual: visionSpecs(config, config.kind === "clip" ? PLAIN_VISION : DIFF_VISION, vision),
  text: textSpecs(
    config,
    textInit(config.text, config.kind === "clip" || config.kind === "diffClipVision" ? "plain" : "differential"),
    text
  ),
  imageProjection: normalSpec([config.vision.width, config.embedDim], config.vision.width ** -0.5),
  textProjection: normalSpec([config.text.width, config.embedDim], config.text.width ** -0.5),
  logitScale: constantSpec([], log(1 / 0.07))
})
