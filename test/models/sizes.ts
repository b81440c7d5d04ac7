import type { ClipSizes } from "../../lib/models/index.ts"

/** A model that is small enough to run everywhere: 16 patches, 10 words, of which 8 is the start and 9 the end. */
export const tiny: ClipSizes = {
  imageSize: 8,
  patchSize: 2,
  vision: { width: 12, layers: 2, numHeads: 4 },
  text: { width: 12, layers: 2, numHeads: 2 },
  contextLength: 7,
  vocabSize: 10,
  embedDim: 6
}
