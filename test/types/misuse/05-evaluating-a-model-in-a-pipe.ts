// The untrained model in a pipe
// The same as above; in a `pipe` the sentence stands in the last line.
import { cc3m, diffClip, Pipeline, retrieval } from "diffclip"
import { Effect } from "effect"

export const program: unknown = Effect.succeed(diffClip).pipe(
  // @ts-expect-error model, params, step, [weightsFromTrainOrLoad]
  Effect.flatMap(Pipeline.evaluate(retrieval, cc3m))
)
