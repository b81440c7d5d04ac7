import { contrastiveBackward, contrastiveForward } from "../../../ops/contrastive.ts"
import { fused, type Replacement } from "../tfjs.ts"
import { backward, backwardPlan } from "./contrastiveBackward.ts"
import { forward, forwardPlan } from "./contrastiveForward.ts"

/**
 * The symmetric cross-entropy over a batch of pairs and its closed-form gradients, in tiles of logits; of a large batch
 * no array has a number for each of all pairs.
 */
export const contrastiveKernels: ReadonlyArray<Replacement> = [
  fused(contrastiveForward, (gpu, inputs) => forward(gpu, inputs, forwardPlan(inputs.u.shape[0] ?? 0, gpu.limits))),
  fused(
    contrastiveBackward,
    (gpu, inputs, { detachColumns }) =>
      backward(gpu, inputs, detachColumns, backwardPlan(inputs.u.shape[0] ?? 0, gpu.limits))
  )
]
