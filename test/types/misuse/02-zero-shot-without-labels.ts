// Zero-shot classification of pictures with captions
// Zero-shot asks for classes: give it a `LabelledDataset`, from `labelled(...)` for shards with `.cls` members.
import { cc3m, diffClip, Pipeline, zeroShot } from "diffclip"
import { Effect } from "effect"

export const program: unknown = Pipeline.train(diffClip, cc3m).pipe(
  // @ts-expect-error this evaluator needs labels, class names and templates; this data set has captions
  Effect.flatMap(Pipeline.evaluate(zeroShot, cc3m))
)
