import { Effect } from "effect"
import type { AnyClip, CheckpointError, UnsafePickle } from "../../lib/checkpoint/index.ts"
import { CheckpointStore, modelFromText } from "../../lib/checkpoint/index.ts"
import type { Clip, ClipOf } from "../../lib/models/index.ts"
import { withImageSize } from "../../lib/models/index.ts"
import type { Preset } from "../presets.ts"
import type { TwoTowerParams } from "../trainStep.ts"
import type { FileConfig } from "./configFile.ts"

const isPlain = (model: AnyClip): model is ClipOf<"clip"> => model.settings.kind === "clip"
const isVisionOnly = (model: AnyClip): model is ClipOf<"diffClipVision"> => model.settings.kind === "diffClipVision"

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

const inChosenSize = (model: AnyClip, imageSize: number | undefined): AnyClip => {
  if (imageSize === undefined) return model
  return isPlain(model) ?
    withImageSize(model, imageSize) :
    isVisionOnly(model) ?
    withImageSize(model, imageSize) :
    withImageSize(model, imageSize)
}

/** The model that a command trains: see `ModelSources`; of the wanted image size where one is. */
export const modelToTrain = (
  { file, preset, isPresetNamed, checkpoint, imageSize }: ModelSources
): Effect.Effect<AnyClip, CheckpointError | UnsafePickle, CheckpointStore> =>
  Effect.gen(function* () {
    if (file["model"] !== undefined) return yield* modelFromText("config.json, model", JSON.stringify(file["model"]))
    if (checkpoint === null || isPresetNamed) return inChosenSize(preset.model, imageSize)
    const store = yield* CheckpointStore
    return inChosenSize((yield* store.load(checkpoint)).model, imageSize)
  })
