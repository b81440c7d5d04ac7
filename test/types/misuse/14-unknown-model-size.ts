// A size of model that does not exist
// Choose one of the sizes listed, or write the sizes yourself: `makeClip(name, { imageSize, patchSize, ... })`.
import { makeClip, vit } from "diffclip"

export const model: unknown =
  // @ts-expect-error Argument of type '"XL/16"' is not assignable
  makeClip("large", vit("XL/16"))
