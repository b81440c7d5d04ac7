import type { Replacement } from "../tfjs.ts"
import { adamWKernels } from "./adamW.ts"
import { adamWListKernels } from "./adamWList.ts"
import { attentionKernels } from "./attention.ts"
import { columnSumsKernels } from "./columnSums.ts"
import { contrastiveKernels } from "./contrastive.ts"
import { diffAttentionKernels } from "./diffAttention.ts"
import { firstMaximaKernels } from "./firstMaxima.ts"
import { gatherRowsKernels } from "./gatherRows.ts"
import { geluKernels } from "./gelu.ts"
import { halfKernels } from "./half.ts"
import { l2NormalizeKernels } from "./l2Normalize.ts"
import { lambdaKernels } from "./lambda.ts"
import { layerNormKernels } from "./layerNorm.ts"
import { linearKernels } from "./linear.ts"
import { matMulKernels } from "./matMul.ts"
import { mlpKernels } from "./mlp.ts"
import { normKernels } from "./norm.ts"
import { patchifyKernels } from "./patchify.ts"
import { quickGeluKernels } from "./quickGelu.ts"
import { rawKernels } from "./raw.ts"
import { rmsNormKernels } from "./rmsNorm.ts"
import { softmaxKernels } from "./softmax.ts"

/** All kernels of ours: in the place of tfjs's own, or of an operation's composition. */
export const webgpuKernels: ReadonlyArray<Replacement> = [
  ...adamWKernels,
  ...adamWListKernels,
  ...attentionKernels,
  ...columnSumsKernels,
  ...contrastiveKernels,
  ...diffAttentionKernels,
  ...firstMaximaKernels,
  ...gatherRowsKernels,
  ...geluKernels,
  ...halfKernels,
  ...l2NormalizeKernels,
  ...lambdaKernels,
  ...layerNormKernels,
  ...linearKernels,
  ...matMulKernels,
  ...mlpKernels,
  ...normKernels,
  ...patchifyKernels,
  ...quickGeluKernels,
  ...rawKernels,
  ...rmsNormKernels,
  ...softmaxKernels
]
