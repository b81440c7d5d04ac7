/**
 * Compositions that must not compile. `tsc` checks this file: an expected error that does not come is an error itself.
 * Nothing here runs.
 */
import { Effect } from "effect"
import type { CachedEmbeddings, Dataset, ImageLabel, ImageText, LabelledDataset, Trained } from "../../lib/api/index.ts"
import { retrieval, zeroShot } from "../../lib/eval/index.ts"
import type { PlainClipParams } from "../../lib/models/index.ts"
import { clip, diffClip, makeClip, makeDiffClip, vit } from "../../lib/models/index.ts"
import { adamW } from "../../lib/optim/index.ts"
import { keyOf } from "../../lib/tensor/index.ts"
import { Pipeline } from "../../pipelines/index.ts"
import { live } from "../../pipelines/node.ts"

declare const pairs: Dataset<ImageText>
declare const labelled: LabelledDataset<ImageLabel>
declare const pictures: Dataset<{ readonly key: string }>

/** What compiles: training on pairs, then both protocols, each on data that fits. */
export const good: Effect.Effect<unknown, unknown> = Pipeline.train(diffClip, pairs).pipe(
  Effect.tap(Pipeline.evaluate(retrieval, pairs)),
  Effect.flatMap(Pipeline.evaluate(zeroShot, labelled)),
  Effect.scoped,
  Effect.provide(live())
)

/** Adam for the model's own tree. */
export const fitting: Effect.Effect<unknown, unknown, unknown> = Pipeline.train(clip, pairs, {}, {
  optimizer: adamW<PlainClipParams>()
})

export const withoutCaptions: unknown = [
  // @ts-expect-error training needs pictures with captions, but this data set yields labels
  Pipeline.train(diffClip, labelled),
  // @ts-expect-error training needs pictures with captions, but this data set yields keys alone
  Pipeline.train(diffClip, pictures)
]

export const withoutLabels: unknown = [
  // @ts-expect-error zero-shot needs labels, class names and templates
  Pipeline.evaluate(zeroShot, pairs),
  // @ts-expect-error retrieval needs captions
  Pipeline.evaluate(retrieval, labelled)
]

/** Embedding takes a trained model, first or last; the width goes with the embeddings. */
export const embedded: Effect.Effect<512 | undefined, unknown> = Pipeline.train(diffClip, pairs).pipe(
  Effect.flatMap(Pipeline.embed({ texts: ["a red heart"] })),
  Effect.map(({ textEmbed }) => textEmbed?.columns),
  Effect.scoped,
  Effect.provide(live())
)

const narrow = makeDiffClip("narrow", { ...vit("S/16"), embedDim: 256 })
declare const wide: Trained<typeof diffClip>
declare const cachedNarrow: Dataset<ImageText> & CachedEmbeddings<256>
declare const cachedSomehow: Dataset<ImageText> & CachedEmbeddings
declare const trainedNarrow: Trained<typeof narrow>

export const fittingWidths: unknown = [
  Pipeline.evaluate(trainedNarrow, retrieval, cachedNarrow),
  Pipeline.evaluate(retrieval, cachedSomehow)(wide)
]

export const otherWidths: unknown = [
  // @ts-expect-error the cached embeddings are 256 wide
  Pipeline.evaluate(wide, retrieval, cachedNarrow),
  // @ts-expect-error the cached embeddings are 256 wide
  Pipeline.evaluate(retrieval, cachedNarrow)(wide),
  // @ts-expect-error the cached embeddings are 256 wide
  Effect.succeed(wide).pipe(Effect.flatMap(Pipeline.evaluate(retrieval, cachedNarrow)))
]

export const oddHeads: unknown = [
  makeClip("plain", { ...vit("S/16"), vision: { width: 192, layers: 12, numHeads: 3 } }),
  // @ts-expect-error numHeads must be even
  makeDiffClip("odd", { ...vit("S/16"), text: { width: 192, layers: 12, numHeads: 3 } })
]

export const untrained: unknown = [
  // @ts-expect-error a model with initial weights is not a trained one: only training, resuming and loading brand it
  Pipeline.evaluate(retrieval, pairs)({ model: diffClip, params: diffClip.init(keyOf(0)), step: 0 }),
  // @ts-expect-error a model value has no weights
  Pipeline.evaluate(retrieval, pairs)(diffClip)
]

// @ts-expect-error backend, checkpoint store, progress, run directory and files are not provided
export const missingServices: Effect.Effect<unknown, unknown> = Pipeline.train(diffClip, pairs).pipe(Effect.scoped)

// @ts-expect-error the weights need a scope to live in
export const missingScope: Effect.Effect<unknown, unknown> = Pipeline.train(diffClip, pairs).pipe(
  Effect.provide(live())
)

export const unknownOption: unknown =
  // @ts-expect-error there is no field batchsize
  Pipeline.train(diffClip, pairs, { batchsize: 3 })

export const otherTree: unknown =
  // @ts-expect-error an optimizer of another parameter tree
  Pipeline.train(diffClip, pairs, {}, { optimizer: adamW<PlainClipParams>() })
