// Cached embeddings of another width
// Embed the data set with the model that is to be asked, or with one of the same width. Where a width is not a literal, the program compiles and `Pipeline.evaluate` fails with `WidthMismatch`.
import { cc3m, diffClip, makeDiffClip, Pipeline, retrieval, vit } from "diffclip"
import { Effect } from "effect"

const small = makeDiffClip("small", { ...vit("S/16"), embedDim: 256 })

export const program: unknown = Effect.gen(function* () {
  const cached = yield* Pipeline.embedDataset(yield* Pipeline.load(small, "runs/small"), cc3m)
  const trained = yield* Pipeline.load(diffClip, "runs/first")
  // @ts-expect-error the cached embeddings are 256 wide, those of this model 512: embed the data set again
  return yield* Pipeline.evaluate(trained, retrieval, cached)
})
