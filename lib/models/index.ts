export type { Clip, ClipInput, ClipOf, ClipTrace, InputSizes } from "./clip.ts"
export {
  clipFromConfig,
  makeClip,
  makeDiffClip,
  makeDiffClipStar,
  makeDiffClipVision,
  withContextLength,
  withImageSize
} from "./clip.ts"
export type { ClipConfig, ClipKind, ClipSizes, EvenHeads, PairedHeads, TowerConfig } from "./config.ts"
export { lambdaInitOf, layerNormEps, numImageTokens } from "./config.ts"
export type { PositionFilter } from "./interpolatePositions.ts"
export { fitContext, interpolatePositions } from "./interpolatePositions.ts"
export type {
  ClipParams,
  DiffClipParams,
  DiffClipVisionParams,
  ParamsOf,
  PlainClipParams,
  TextTower,
  VisionTower
} from "./params.ts"
export type { VitName } from "./presets.ts"
export { clip, diffClip, diffClipStar, diffClipVision, vit } from "./presets.ts"
export type { Attend, TextTrace, VisionTrace } from "./towers.ts"
export { runVision } from "./towers.ts"
