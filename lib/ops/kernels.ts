import { adamWUpdate, sumSquaresForward } from "./adamW.ts"
import { attentionBackward, attentionForward } from "./attention.ts"
import { contrastiveBackward, contrastiveForward } from "./contrastive.ts"
import { diffAttentionBackward, diffAttentionForward } from "./diffAttention.ts"
import { gatherRowsBackward, gatherRowsForward } from "./gatherRows.ts"
import { geluBackward, geluForward } from "./gelu.ts"
import { l2NormalizeBackward, l2NormalizeForward } from "./l2Normalize.ts"
import { layerNormBackward, layerNormForward } from "./layerNorm.ts"
import { linearForward } from "./matmul.ts"
import { patchifyForward } from "./patchify.ts"
import { quickGeluBackward, quickGeluForward } from "./quickGelu.ts"
import { rmsNormBackward, rmsNormForward } from "./rmsNorm.ts"
import { softmaxBackward, softmaxForward } from "./softmax.ts"

/** The closed list of operations that a backend may replace, by operation; each entry's docstring is its contract. */
export const kernels = {
  adamW: [adamWUpdate, sumSquaresForward],
  attention: [attentionForward, attentionBackward],
  contrastive: [contrastiveForward, contrastiveBackward],
  diffAttention: [diffAttentionForward, diffAttentionBackward],
  gatherRows: [gatherRowsForward, gatherRowsBackward],
  gelu: [geluForward, geluBackward],
  l2Normalize: [l2NormalizeForward, l2NormalizeBackward],
  layerNorm: [layerNormForward, layerNormBackward],
  matmul: [linearForward],
  patchify: [patchifyForward],
  quickGelu: [quickGeluForward, quickGeluBackward],
  rmsNorm: [rmsNormForward, rmsNormBackward],
  softmax: [softmaxForward, softmaxBackward]
} as const
