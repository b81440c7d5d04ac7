// Retrieval on pictures with labels
// Retrieval asks for captions: give it the data set that has them, or ask `zeroShot` about the labels.
import { type ImageLabel, type LabelledDataset, Pipeline, retrieval } from "diffclip"

declare const imagenet: LabelledDataset<ImageLabel>

export const ask: unknown =
  // @ts-expect-error this evaluator needs captions; this data set has labels
  Pipeline.evaluate(retrieval, imagenet)
