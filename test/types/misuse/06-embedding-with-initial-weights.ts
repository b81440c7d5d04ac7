// Embedding with initial weights
// Initial weights say nothing about pictures: only training, resuming and loading make a `Trained` model.
import { diffClip, Pipeline } from "diffclip"
import type { DiffClipParams } from "diffclip/models"

declare const params: DiffClipParams

export const program: unknown =
  // @ts-expect-error Property '[weightsFromTrainOrLoad]' is missing
  Pipeline.embed({ model: diffClip, params, step: 0 }, { texts: ["a red heart"] })
