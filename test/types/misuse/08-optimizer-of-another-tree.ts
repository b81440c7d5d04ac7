// An optimizer made for another parameter tree
// Make the optimizer for the model's own tree: `adamW<DiffClipParams>()`. The last line names what one tree has and the other has not.
import { adamW, cc3m, diffClip, Pipeline } from "diffclip"
import type { PlainClipParams } from "diffclip/models"

const optimizer = adamW<PlainClipParams>()

export const program: unknown =
  // @ts-expect-error Type 'Attention' is missing the following properties from type 'DiffAttention'
  Pipeline.train(diffClip, cc3m, {}, { optimizer })
