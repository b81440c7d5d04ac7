import { Effect, FileSystem } from "effect"
import type { Option, Scope } from "effect"
import { Argument, Flag } from "effect/cli"
import type { Trained } from "../../lib/api/index.ts"
import type { Backend, UnitError } from "../../lib/backend/index.ts"
import type {
  CheckpointError,
  CheckpointStore,
  ClipIdentity,
  LoadOptions,
  UnsafePickle
} from "../../lib/checkpoint/index.ts"
import { modelFromText } from "../../lib/checkpoint/index.ts"
import type { Clip } from "../../lib/models/index.ts"
import { clip, diffClip, diffClipStar, diffClipVision } from "../../lib/models/index.ts"
import type { Params } from "../../lib/tensor/index.ts"
import { type ConfigInvalid, invalid } from "../errors.ts"
import type { DiffVisionModel } from "../attentionMaps.ts"
import { loadAny, loadDiffVision as loadDifferential } from "../load.ts"
import type { InputError } from "./errors.ts"
import { unreadable } from "./io.ts"

const models: Readonly<Record<string, ClipIdentity>> = { clip, diffClip, diffClipStar, diffClipVision }

/** `--model NAME|FILE`: which model a checkpoint is of that does not say so itself. */
export const modelFlag: Flag.Flag<Option.Option<string>> = Flag.String("model").pipe(
  Flag.withDescription(
    `for checkpoints that do not say: ${Object.keys(models).join(", ")} at ViT-B/16, or a run's config.json; ` +
      "without it a .pt file is taken for what its tensors suggest"
  ),
  Flag.optional
)

/** The model that `--model` names: a preset's, or that of a JSON file. */
const modelOf = (
  name: string
): Effect.Effect<ClipIdentity, CheckpointError | ConfigInvalid | InputError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const model = Object.hasOwn(models, name) ? models[name] : undefined
    if (model !== undefined) return model
    if (!name.endsWith(".json")) {
      return yield* invalid("model", `expected ${Object.keys(models).join(", ")} or a .json file, found ${name}`)
    }
    const fs = yield* FileSystem.FileSystem
    const text = yield* Effect.mapError(fs.readFileString(name), unreadable(name))
    return yield* modelFromText(name, text)
  })

/** What `--model` says to whatever reads a checkpoint. */
export const namedModel = (
  name: string | undefined
): Effect.Effect<LoadOptions, CheckpointError | ConfigInvalid | InputError, FileSystem.FileSystem> =>
  name === undefined ? Effect.succeed({}) : Effect.map(modelOf(name), (model) => ({ unlessStored: model }))

/** Loads a checkpoint, as the named model where the file does not say. */
export const loadNamed = <A, E, R>(
  checkpoint: string,
  name: string | undefined,
  use: <P extends Params>(trained: Trained<Clip<P>>) => Effect.Effect<A, E, R>
): Effect.Effect<
  A,
  E | CheckpointError | UnsafePickle | UnitError | ConfigInvalid | InputError,
  R | CheckpointStore | Backend | Scope.Scope | FileSystem.FileSystem
> => Effect.flatMap(namedModel(name), (options) => loadAny(checkpoint, use, options))

/** `CHECKPOINT`, as every command takes it. */
export const checkpointArgument = (name: string = "CHECKPOINT"): Argument.Argument<string> =>
  Argument.String(name).pipe(
    Argument.withDescription("a .safetensors or .pt file, a step-N folder or a run directory")
  )

/** The same for commands that need differential attention in the image tower. */
export const loadDiffVision = <A, E, R>(
  checkpoint: string,
  name: string | undefined,
  use: <TA>(trained: Trained<DiffVisionModel<TA>>) => Effect.Effect<A, E, R>
): Effect.Effect<
  A,
  E | CheckpointError | UnsafePickle | UnitError | ConfigInvalid | InputError,
  R | CheckpointStore | Backend | Scope.Scope | FileSystem.FileSystem
> => Effect.flatMap(namedModel(name), (options) => loadDifferential(checkpoint, use, options))
