import { Effect, Exit } from "effect"
import { expect, it } from "vitest"
import { Backend } from "../../lib/backend/index.ts"
import { makeDiffClip } from "../../lib/models/index.ts"
import { disposeParams, keyOf, ShapeError } from "../../lib/tensor/index.ts"
import { makeEncoders } from "../../pipelines/index.ts"
import { live } from "../../pipelines/node.ts"
import { samples } from "./tiny.ts"

/** Twenty rows and no table: such a model is fed token ids directly. */
const model = makeDiffClip("ids", {
  imageSize: 16,
  patchSize: 8,
  vision: { width: 16, layers: 1, numHeads: 2 },
  text: { width: 16, layers: 1, numHeads: 2 },
  contextLength: 5,
  vocabSize: 20,
  embedDim: 8
})

it("a model without rows for text embeds pictures and token ids; text is refused with what it needs", async () => {
  const [images, ids, text] = await Effect.runPromise(
    Effect.gen(function* () {
      const backend = yield* Backend
      const params = yield* backend.sync(() => model.init(keyOf(0)))
      const encoders = makeEncoders(model, params, backend)
      const images = yield* encoders.encodeImages(samples.slice(0, 3).map(({ image }) => image))
      const ids = yield* encoders.encodeTokens(Int32Array.of(18, 3, 19, 0, 0, 18, 19, 0, 0, 0))
      const text = yield* Effect.exit(encoders.encodeTexts(["a cat"]))
      yield* backend.sync(() => disposeParams(params))
      return [images, ids, text] as const
    }).pipe(Effect.provide(live({ progress: "silent" })))
  )
  expect([images.rows, images.columns, ids.rows, ids.columns]).toEqual([3, 8, 2, 8])
  expect([...images.data, ...ids.data].every(Number.isFinite)).toBe(true)
  expect(
    Exit.isFailure(text) &&
      text.cause.reasons.some((reason) => "defect" in reason && reason.defect instanceof ShapeError)
  )
    .toBe(true)
})
