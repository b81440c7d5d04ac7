import type { ClipOf } from "./clip.ts"
import { makeClip, makeDiffClip, makeDiffClipStar, makeDiffClipVision } from "./clip.ts"
import type { ClipConfig, ClipSizes } from "./config.ts"

const TEXT: Omit<ClipSizes<512>, "imageSize" | "patchSize" | "vision"> = {
  text: { width: 512, layers: 12, numHeads: 8 },
  contextLength: 77,
  vocabSize: 49408,
  embedDim: 512
}

const VISION: Readonly<Record<string, ClipConfig["vision"]>> = {
  Ti: { width: 192, layers: 12, numHeads: 4 },
  S: { width: 384, layers: 12, numHeads: 6 },
  B: { width: 768, layers: 12, numHeads: 12 },
  L: { width: 1024, layers: 24, numHeads: 16 }
}

/** The names that `vit` knows: width and patch size of the image tower. */
export type VitName = `${"Ti" | "S" | "B" | "L"}/${16 | 32}`

/**
 * Sizes with a standard image tower at 224 pixels and the paper's text tower (width 512, 12 layers, 8 heads).
 * `Ti` has 4 heads of 48, not 3 of 64: differential attention needs an even number. Source: ViT; DiffCLIP section 4.
 */
export const vit = (name: VitName): ClipSizes<512> => {
  const [size = "", patch = ""] = name.split("/")
  const vision = VISION[size]
  if (vision === undefined) throw new Error(`vit: no image tower is called ${size}; there are Ti, S, B and L`)
  return { ...TEXT, imageSize: 224, patchSize: Number(patch), vision }
}

/** The paper's model: DiffCLIP ViT-B/16, 149,629,185 parameters. */
export const diffClip: ClipOf<"diffClip", 512> = makeDiffClip("diffClip", vit("B/16"))
/** The paper's baseline: CLIP ViT-B/16, 149,619,969 parameters. */
export const clip: ClipOf<"clip", 512> = makeClip("clip", vit("B/16"))
/** DiffCLIP*: lambdaInit depends on depth. ViT-B/16, 149,629,185 parameters. */
export const diffClipStar: ClipOf<"diffClipStar", 512> = makeDiffClipStar("diffClipStar", vit("B/16"))
/** DiffCLIP-dagger: differential attention in the vision tower only. ViT-B/16, 149,624,577 parameters. */
export const diffClipVision: ClipOf<"diffClipVision", 512> = makeDiffClipVision("diffClipVision", vit("B/16"))
