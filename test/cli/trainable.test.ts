import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { checkpointStore, describeModel } from "../../lib/checkpoint/index.ts"
import { type ModelSources, modelToTrain } from "../../pipelines/cli/trainable.ts"
import { files } from "../../pipelines/node.ts"
import { type Preset, presetNamed } from "../../pipelines/presets.ts"
import { tinyModel } from "../pipelines/tiny.ts"

const presetOf = (name: string): Preset => {
  const preset = presetNamed(name)
  if (preset === undefined) throw new Error(`no preset ${name}`)
  return preset
}
const preset = presetOf("tiny")
const described = { model: describeModel(tinyModel) }
const asked = (sources: Partial<ModelSources>) =>
  modelToTrain({ file: {}, preset, isPresetNamed: false, checkpoint: null, imageSize: undefined, ...sources }).pipe(
    Effect.provide(checkpointStore),
    Effect.provide(files)
  )
const found = (sources: Partial<ModelSources>) => Effect.runPromise(asked(sources))
const refused = (sources: Partial<ModelSources>) => Effect.runPromise(Effect.flip(asked(sources)))

describe("the model that is trained", () => {
  it("is that of a file that describes one, in the wanted image size", async () => {
    expect((await found({ file: described })).settings).toEqual(tinyModel.settings)
    expect((await found({ file: described, imageSize: 32 })).settings).toEqual({ ...tinyModel.settings, imageSize: 32 })
  })
  it("is not guessed where the file describes another than the named preset's", async () => {
    expect(await refused({ file: described, isPresetNamed: true })).toMatchObject({
      _tag: "ConfigInvalid",
      message: expect.stringMatching(/^preset: .*leave out one$/)
    })
    const same = await found({ file: { model: describeModel(preset.model) }, isPresetNamed: true })
    expect(same.settings).toEqual(preset.model.settings)
    const larger = await found({ isPresetNamed: true, imageSize: 2 * preset.model.settings.imageSize })
    const again = { file: { model: describeModel(larger) }, imageSize: larger.settings.imageSize }
    expect((await found({ ...again, isPresetNamed: true })).settings).toEqual(larger.settings)
  })
  it.each([{}, { file: described }])(
    "in a size that patches do not fill is a mistake of the caller",
    async (sources) => {
      expect(await refused({ ...sources, imageSize: 33 })).toMatchObject({
        _tag: "ConfigInvalid",
        message: expect.stringMatching(/^image-size: .*multiple of the patch size/)
      })
    }
  )
})
