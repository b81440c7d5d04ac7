/**
 * Compositions that must not compile. `tsc` checks this file: an expected error that does not come is an error itself.
 * Nothing here runs.
 */
import { Effect } from "effect"
import type { Dataset, ImageLabel, ImageText, LabelledDataset } from "../../lib/api/index.ts"
import { retrieval, zeroShot } from "../../lib/eval/index.ts"
import type { PlainClipParams } from "../../lib/models/index.ts"
import { clip, diffClip } from "../../lib/models/index.ts"
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
