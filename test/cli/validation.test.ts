import { Effect } from "effect"
import { expect, it } from "vitest"
import type { Encoders } from "../../lib/api/index.ts"
import { writeShards } from "../../lib/data/index.ts"
import { openValidation } from "../../pipelines/cli/validation.ts"
import { decodeTrainConfig, overlay, paperRecipe } from "../../pipelines/config.ts"
import { samplesOf, services, text } from "../data/files.ts"
import { temporary } from "../pipelines/tiny.ts"

const rows = (n: number) => Effect.succeed({ rows: n, columns: 1, data: new Float32Array(n).fill(1) })
const encoders: Encoders<never> = {
  embedDim: 1,
  encodeImages: (images) => rows(images.length),
  encodeTexts: (texts) => rows(texts.length)
}

/** Validates on six pairs of which one picture is none. */
const validated = (onBadSample: unknown) =>
  Effect.gen(function* () {
    const data = temporary()
    const bad = { key: "bad", members: { png: text("no picture"), txt: text("a caption") } }
    yield* writeShards(data, [...samplesOf(5), bad])
    const config = yield* decodeTrainConfig(
      overlay(paperRecipe, { length: { steps: 1 }, data: { onBadSample } })
    )
    const validation = yield* openValidation({ data }, config)
    return validation === undefined ? undefined : yield* validation.run(encoders)
  }).pipe(Effect.provide(services))

it("validation leaves out bad samples where the run does, and fails where it fails", async () => {
  expect(await Effect.runPromise(validated({ policy: "skip", ceiling: 1 }))).toMatchObject({ n: 5 })
  for (const policy of ["fail", "dataset"]) {
    expect(await Effect.runPromise(Effect.flip(validated({ policy })))).toMatchObject({ _tag: "SampleError" })
  }
})
