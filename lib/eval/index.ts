export { classEmbeddings } from "./classEmbeddings.ts"
export { type ClassScore, classScores } from "./classify.ts"
export { EvaluationError, type EvaluationErrorFields, type EvaluationErrorReason } from "./errors.ts"
export { concatRows, firstNotFiniteRow, normalizeRows, scoreMatrix } from "./matrix.ts"
export {
  recallAtK,
  retrievalChance,
  retrievalMetrics,
  type RetrievalPairs,
  type RetrievalRanks,
  retrievalRanks
} from "./recall.ts"
export { makeRetrieval, retrieval, type RetrievalOptions, type RetrievalResult } from "./retrieval.ts"
export { fillTemplate, openClipTemplates, slipTemplates } from "./templates.ts"
export { nearest, type Neighbour, topK } from "./topK.ts"
export { makeZeroShot, zeroShot, type ZeroShotOptions, type ZeroShotResult } from "./zeroShot.ts"
export {
  classShares,
  zeroShotChance,
  type ZeroShotCounter,
  zeroShotCounter,
  type ZeroShotFractions,
  type ZeroShotMetrics,
  zeroShotMetrics
} from "./zeroShotMetrics.ts"
