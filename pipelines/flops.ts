import type { ClipConfig, TowerConfig } from "../lib/models/index.ts"
import type { TrainConfig } from "./config.ts"

/**
 * Floating-point operations of a pair's forward pass. Only matrix products count, two operations a product, as the
 * benchmarks count them: linear layers, attention scores and values, projections.
 */
export interface PairFlops {
  /** The blocks of both towers. */
  readonly blocks: number
  /** The patch embedding, whose input needs no gradient. */
  readonly patches: number
  /** Both projections into the joint space. */
  readonly projections: number
}

/** Four D x D layers and two D x 4D ones for each token, and N x N scores and values. Differential attention has the same. */
const blocksOf = ({ width, layers }: TowerConfig, tokens: number): number =>
  layers * (2 * tokens * (4 + 2 * 4) * width ** 2 + 4 * tokens ** 2 * width)

/** What a pair's forward pass costs: 41 GFLOP for ViT-B/16 with the paper's text tower. */
export const pairFlops = (
  { vision, text, imageSize, patchSize, contextLength, embedDim }: ClipConfig
): PairFlops => {
  const numPatches = (imageSize / patchSize) ** 2
  return {
    blocks: blocksOf(vision, 1 + numPatches) + blocksOf(text, contextLength),
    patches: 2 * numPatches * 3 * patchSize ** 2 * vision.width,
    projections: 2 * (vision.width + text.width) * embedDim
  }
}

/** What decides how often a pair goes through the towers. */
export type Passes = Pick<TrainConfig, "batchSize" | "microBatch" | "updateFreq" | "checkpointBlocks">

/**
 * What one update costs: forward, backward (twice the forward), one forward pass more where embeddings are cached, one
 * more through the blocks where these run again, and the loss on [B, B]. Everything counts as trained.
 */
export const stepFlops = (
  settings: ClipConfig,
  { batchSize, microBatch, updateFreq, checkpointBlocks }: Passes
): number => {
  const { blocks, patches, projections } = pairFlops(settings)
  const forward = blocks + patches + projections
  const cached = microBatch !== null && microBatch < batchSize ? forward : 0
  const again = checkpointBlocks === "blocks" ? blocks : 0
  const pair = 3 * forward - patches + cached + again
  const loss = 3 * 2 * batchSize ** 2 * settings.embedDim
  return updateFreq * (batchSize * pair + loss)
}

/** A speed, and what has it. */
export interface Speed {
  readonly gflops: number
  readonly of: string
}

/** The CPU engine's speed in whole training steps. Source: `step` in test/bench/results/linux-x64-2-cores.jsonl. */
export const measuredSpeed: Speed = { gflops: 28.1, of: "the CPU engine on two cores, measured" }

/** What one large GPU may reach in float32; assumed, not measured. */
export const assumedGpu: Speed = { gflops: 10_000, of: "a GPU, assumed" }

const scales = [["EFLOP", 1e18], ["PFLOP", 1e15], ["TFLOP", 1e12], ["GFLOP", 1e9], ["MFLOP", 1e6]] as const

/** A number of operations for people: `504 TFLOP`. */
export const showFlops = (flops: number): string => {
  const [unit, size] = scales.find(([, size]) => flops >= size) ?? ["MFLOP", 1e6]
  return `${Number((flops / size).toPrecision(3))} ${unit}`
}

const spans = [["years", 365.25 * 86_400], ["days", 86_400], ["hours", 3600], ["minutes", 60], ["seconds", 1]] as const

/** How long so many operations take at a speed, for people: `13 days`. */
export const showDuration = (flops: number, { gflops }: Speed): string => {
  const seconds = flops / (gflops * 1e9)
  // A unit from two of it on: 30 hours, not 1.25 days.
  const [unit, length] = spans.find(([, length]) => seconds >= 2 * length) ?? ["seconds", 1]
  return `${Number((seconds / length).toPrecision(2))} ${unit}`
}
