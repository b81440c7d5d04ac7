export type { ImageDecoderShape, ImageLimits } from "./decode.ts"
export { defaultImageLimits, ImageDecoder, inspectImage, makeDecoder } from "./decode.ts"
export type { ImageErrorFields, ImageErrorReason } from "./errors.ts"
export { ImageError } from "./errors.ts"
export { decodeGif, decodeGifWithAlpha } from "./gif.ts"
export type { GifFrame } from "./gifHeader.ts"
export type { ColourModel, HeaderProblem, ImageFormat, ImageHeader } from "./header.ts"
export { readImageHeader } from "./header.ts"
export type { RandomResizedCropOptions } from "./randomResizedCrop.ts"
export { randomResizedCropBox } from "./randomResizedCrop.ts"
export { centerBox, centerCrop, resize, resizeShorterSide, shorterSideSize } from "./resize.ts"
export type { ResizeFilter } from "./resizeWeights.ts"
export type { Box, RgbaImage, RgbImage } from "./rgb.ts"
export { crop, onWhite, roundHalfEven } from "./rgb.ts"
export type {
  ImageTransform,
  Normalization,
  PerChannel,
  RandomResizedCropTransform,
  ShorterSideCenterCropTransform,
  SquashTransform
} from "./transform.ts"
export {
  applyTransform,
  demoTransform,
  evalTransform,
  imagenetNormalization,
  normalize,
  normalizeInto,
  trainTransform,
  transformPixels
} from "./transform.ts"
