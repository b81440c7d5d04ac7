import { Effect } from "effect"
import type { Option, Scope } from "effect"
import { Flag } from "effect/cli"
import type { Trained } from "../../lib/api/index.ts"
import type { Backend, UnitError } from "../../lib/backend/index.ts"
import type { CheckpointError, CheckpointStore, ClipIdentity } from "../../lib/checkpoint/index.ts"
import type { Clip } from "../../lib/models/index.ts"
import { clip, diffClip, diffClipStar, diffClipVision } from "../../lib/models/index.ts"
import type { Params } from "../../lib/tensor/index.ts"
import { type ConfigInvalid, invalid } from "../errors.ts"
import { loadAny } from "../load.ts"

const models: Readonly<Record<string, ClipIdentity>> = { clip, diffClip, diffClipStar, diffClipVision }

/** `--model NAME`: which model a file is of that does not say so itself. */
export const modelFlag: Flag.Flag<Option.Option<string>> = Flag.String("model").pipe(
  Flag.withDescription(`for files without a model description: ${Object.keys(models).join(", ")} at ViT-B/16`),
  Flag.optional
)

/** Loads a checkpoint, as the named model where the file does not say. */
export const loadNamed = <A, E, R>(
  checkpoint: string,
  name: string | undefined,
  use: <P extends Params>(trained: Trained<Clip<P>>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | CheckpointError | UnitError | ConfigInvalid, R | CheckpointStore | Backend | Scope.Scope> => {
  if (name === undefined) return loadAny(checkpoint, use)
  const model = Object.hasOwn(models, name) ? models[name] : undefined
  return model === undefined ?
    Effect.fail(invalid("model", `expected one of ${Object.keys(models).join(", ")}, found ${name}`)) :
    loadAny(checkpoint, use, { unlessStored: model })
}
