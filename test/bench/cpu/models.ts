/** The models that the benchmark runs. */
import type { ClipConfig } from "../../../lib/models/index.ts"
import { clip, diffClip, diffClipStar, diffClipVision } from "../../../lib/models/index.ts"

const tower = { width: 128, layers: 4, numHeads: 4 }
const least = { width: 16, layers: 2, numHeads: 4 }

const differential = { kind: "diffClip", lambdaInit: 0.8 } as const

/** By name; `small` is what engines without fast products finish too, `tiny` only shows that everything works. */
export const models: Readonly<Record<string, ClipConfig>> = {
  diffClip: diffClip.settings,
  clip: clip.settings,
  diffClipStar: diffClipStar.settings,
  diffClipVision: diffClipVision.settings,
  small: {
    ...differential,
    imageSize: 32,
    patchSize: 4,
    vision: tower,
    text: tower,
    contextLength: 32,
    vocabSize: 1000,
    embedDim: 128
  },
  tiny: {
    ...differential,
    imageSize: 16,
    patchSize: 8,
    vision: least,
    text: least,
    contextLength: 12,
    vocabSize: 50,
    embedDim: 8
  },
  tinyClip: {
    kind: "clip",
    lambdaInit: 0.8,
    imageSize: 16,
    patchSize: 8,
    vision: least,
    text: least,
    contextLength: 12,
    vocabSize: 50,
    embedDim: 8
  }
}
