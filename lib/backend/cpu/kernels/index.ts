import type { Registration } from "../tfjs.ts"
import { adamWKernels } from "./adamW.ts"
import { attentionKernels } from "./attention.ts"
import { contrastiveKernels } from "./contrastive.ts"
import { diffAttentionKernels } from "./diffAttention.ts"
import { firstMaximaKernels } from "./firstMaxima.ts"
import { gatherRowsKernels } from "./gatherRows.ts"
import { geluKernels } from "./gelu.ts"
import { l2NormalizeKernels } from "./l2Normalize.ts"
import { lambdaKernels } from "./lambda.ts"
import { layerNormKernels } from "./layerNorm.ts"
import { matmulKernels } from "./matmul.ts"
import { mlpKernels } from "./mlp.ts"
import { patchifyKernels } from "./patchify.ts"
import { quickGeluKernels } from "./quickGelu.ts"
import { rawKernels } from "./raw.ts"
import { rmsNormKernels } from "./rmsNorm.ts"
import { softmaxKernels } from "./softmax.ts"

/** The kernels of every operation in lib/ops. */
export const fusedKernels: ReadonlyArray<Registration> = [
  ...adamWKernels,
  ...attentionKernels,
  ...contrastiveKernels,
  ...diffAttentionKernels,
  ...firstMaximaKernels,
  ...gatherRowsKernels,
  ...geluKernels,
  ...l2NormalizeKernels,
  ...lambdaKernels,
  ...layerNormKernels,
  ...matmulKernels,
  ...mlpKernels,
  ...patchifyKernels,
  ...quickGeluKernels,
  ...rawKernels,
  ...rmsNormKernels,
  ...softmaxKernels
]
