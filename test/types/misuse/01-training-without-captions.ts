// Training on pictures with labels
// Train on pictures with captions: `webdataset`, `cc3m`, or your own `Dataset<ImageText>`.
import { diffClip, type ImageLabel, type LabelledDataset, Pipeline } from "diffclip"

declare const imagenet: LabelledDataset<ImageLabel>

export const program: unknown =
  // @ts-expect-error training needs pictures with captions; this data set has labels
  Pipeline.train(diffClip, imagenet)
