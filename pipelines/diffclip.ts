export type {
  CachedEmbeddings,
  Cursor,
  EmbeddingMatrix,
  Encoders,
  Evaluation,
  Evaluator,
  ImageLabel,
  ImageText,
  LabelledDataset,
  Loss,
  Model,
  Optimizer,
  RgbImage,
  Schedule,
  Trained
} from "../lib/api/index.ts"
export type { UnitError } from "../lib/backend/index.ts"
export { Backend } from "../lib/backend/index.ts"
export {
  captionTable,
  cc12m,
  cc3m,
  Dataset,
  fromArray,
  imageFolder,
  labelled,
  labelledFolder,
  openWebdataset,
  packDataset,
  webdataset
} from "../lib/data/index.ts"
export { makeRetrieval, makeZeroShot, retrieval, zeroShot } from "../lib/eval/index.ts"
export { contrastive } from "../lib/losses/index.ts"
export {
  clip,
  diffClip,
  diffClipStar,
  diffClipVision,
  makeClip,
  makeDiffClip,
  makeDiffClipStar,
  makeDiffClipVision,
  vit,
  withContextLength,
  withImageSize
} from "../lib/models/index.ts"
export { adamW, chain, warmupCosine } from "../lib/optim/index.ts"
export { clipTokenizer, compactTokenizer, tableOf } from "../lib/text/index.ts"
export type {
  AttentionExample,
  Attribution,
  LogEntry,
  Report,
  ReportPicture,
  ReportResult,
  RetrievalExample,
  RetrievalGallery,
  RunReport,
  RunSummary,
  ValidationEntry
} from "../lib/track/index.ts"
export { dataUrl, Progress, readLog, readValidation, renderReport } from "../lib/track/index.ts"
export * from "./index.ts"
