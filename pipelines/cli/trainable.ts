import { Effect } from "effect"
import type { AnyClip, CheckpointError, UnsafePickle } from "../../lib/checkpoint/index.ts"
import { CheckpointStore, describeModel, isPlain, isVisionOnly, modelFromText } from "../../lib/checkpoint/index.ts"
import type { Clip } from "../../lib/models/index.ts"
import { withImageSize } from "../../lib/models/index.ts"
import { ShapeError } from "../../lib/tensor/index.ts"
import { type ConfigInvalid, invalid } from "../errors.ts"
import type { Preset } from "../presets.ts"
import type { TwoTowerParams } from "../trainStep.ts"
import type { FileConfig } from "./configFile.ts"

/** Calls a function that trains any model with one whose parameter tree is known at run time only. */
export const withTrainable = <R>(model: AnyClip, use: <P extends TwoTowerParams>(model: Clip<P>) => R): R =>
  isPlain(model) ? use(model) : isVisionOnly(model) ? use(model) : use(model)

/** What says which model is trained, the first that does: a run's record, a preset by name, the initial checkpoint. */
export interface ModelSources {
  readonly file: FileConfig
  readonly preset: Preset
  readonly isPresetNamed: boolean
  readonly checkpoint: string | null
  readonly imageSize: number | undefined
}

const inChosenSize = (model: AnyClip, imageSize: number | undefined): Effect.Effect<AnyClip, ConfigInvalid> =>
  Effect.suspend(() => {
    if (imageSize === undefined) return Effect.succeed(model)
    try {
      return Effect.succeed(
        isPlain(model) ?
          withImageSize(model, imageSize) :
          isVisionOnly(model) ?
          withImageSize(model, imageSize) :
          withImageSize(model, imageSize)
      )
    } catch (error) {
      if (!(error instanceof ShapeError)) throw error
      return Effect.fail(invalid("image-size", error.message))
    }
  })

const read = (file: string, description: unknown): Effect.Effect<AnyClip, CheckpointError> =>
  modelFromText(file, JSON.stringify(description))

/**
 * The model that a command trains: see `ModelSources`; of the wanted image size where one is. Fails with ConfigInvalid
 * where that is no size of the model's, and where a preset is named beside a file that describes another model.
 */
export const modelToTrain = (
  { file, preset, isPresetNamed, checkpoint, imageSize }: ModelSources
): Effect.Effect<AnyClip, CheckpointError | UnsafePickle | ConfigInvalid, CheckpointStore> =>
  Effect.gen(function* () {
    if (file["model"] !== undefined) {
      const described = yield* inChosenSize(yield* read("config.json, model", file["model"]), imageSize)
      if (!isPresetNamed) return described
      // Read as the file's is, for the same order of fields, and in the same size, as a run of preset and size has it.
      const named = yield* inChosenSize(yield* read("preset", describeModel(preset.model)), imageSize)
      if (JSON.stringify(describeModel(described)) === JSON.stringify(describeModel(named))) return described
      const found = `the preset of ${named.name} beside a file with another model, ${described.name}`
      return yield* invalid("preset", `expected one of them to say the model, found ${found}: leave out one`)
    }
    if (checkpoint === null || isPresetNamed) return yield* inChosenSize(preset.model, imageSize)
    const store = yield* CheckpointStore
    return yield* inChosenSize((yield* store.load(checkpoint)).model, imageSize)
  })
