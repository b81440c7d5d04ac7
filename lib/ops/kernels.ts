import { adamWListUpdate, adamWUpdate } from "./adamW.ts"
import { attentionBackward, attentionForward } from "./attention.ts"
import { contrastiveBackward, contrastiveForward } from "./contrastive.ts"
import { diffAttentionBackward, diffAttentionForward } from "./diffAttention.ts"
import { firstMaximaForward } from "./firstMaxima.ts"
import { gatherRowsBackward, gatherRowsForward } from "./gatherRows.ts"
import { geluBackward, geluForward } from "./gelu.ts"
import { l2NormalizeBackward, l2NormalizeForward } from "./l2Normalize.ts"
import { lambdaBackward, lambdaForward } from "./lambda.ts"
import { layerNormBackward, layerNormForward } from "./layerNorm.ts"
import { linearForward } from "./matmul.ts"
import { mlpForward, mlpHiddenBackward } from "./mlp.ts"
import { patchifyForward } from "./patchify.ts"
import { quickGeluBackward, quickGeluForward } from "./quickGelu.ts"
import { accumulateForward, clampForward, normForward } from "./raw.ts"
import { rmsNormBackward, rmsNormForward } from "./rmsNorm.ts"
import { softmaxBackward, softmaxForward } from "./softmax.ts"

/** The kernels that a backend may bring, by operation: names only, the contract is each `Fused` value's docstring. */
export const kernels: Readonly<Record<string, ReadonlyArray<string>>> = {
  adamW: [adamWUpdate.name, adamWListUpdate.name],
  attention: [attentionForward.name, attentionBackward.name],
  contrastive: [contrastiveForward.name, contrastiveBackward.name],
  diffAttention: [diffAttentionForward.name, diffAttentionBackward.name],
  firstMaxima: [firstMaximaForward.name],
  gatherRows: [gatherRowsForward.name, gatherRowsBackward.name],
  gelu: [geluForward.name, geluBackward.name],
  l2Normalize: [l2NormalizeForward.name, l2NormalizeBackward.name],
  lambda: [lambdaForward.name, lambdaBackward.name],
  layerNorm: [layerNormForward.name, layerNormBackward.name],
  matmul: [linearForward.name],
  mlp: [mlpForward.name, mlpHiddenBackward.name],
  patchify: [patchifyForward.name],
  quickGelu: [quickGeluForward.name, quickGeluBackward.name],
  raw: [accumulateForward.name, clampForward.name, normForward.name],
  rmsNorm: [rmsNormForward.name, rmsNormBackward.name],
  softmax: [softmaxForward.name, softmaxBackward.name]
}
