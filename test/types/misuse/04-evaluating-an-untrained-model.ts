// Evaluating a model that has no weights
// Weights come from `Pipeline.train` or `Pipeline.load`; evaluate what they give.
import { cc3m, diffClip, Pipeline, retrieval } from "diffclip"

export const program: unknown =
  // @ts-expect-error model, params, step, [weightsFromTrainOrLoad]
  Pipeline.evaluate(diffClip, retrieval, cc3m)
