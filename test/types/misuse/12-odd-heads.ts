// Differential attention with an odd number of heads
// Differential attention splits its heads in pairs: choose an even number.
import { makeDiffClip, vit } from "diffclip"

export const model: unknown = makeDiffClip("small", {
  ...vit("S/16"),
  // @ts-expect-error differential attention pairs its heads, so numHeads must be even, not
  vision: { width: 192, layers: 12, numHeads: 3 }
})
