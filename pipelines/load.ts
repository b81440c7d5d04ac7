import { Console, Effect } from "effect"
import type { Scope } from "effect"
import type { Trained } from "../lib/api/index.ts"
import type { UnitError } from "../lib/backend/index.ts"
import { Backend } from "../lib/backend/index.ts"
import type { CheckpointError, LoadedCheckpoint, LoadOptions, UnsafePickle } from "../lib/checkpoint/index.ts"
import { CheckpointStore, paramsFrom, withDiffVision, withModel } from "../lib/checkpoint/index.ts"
import type { Clip } from "../lib/models/index.ts"
import { plainText } from "../lib/track/index.ts"
import type { Params } from "../lib/tensor/index.ts"
import { disposeParams } from "../lib/tensor/index.ts"
import type { DiffVisionModel } from "./attentionMaps.ts"
import { type ConfigInvalid, invalid } from "./errors.ts"
import { asTrained } from "./trained.ts"

const place = <P extends Params, E extends number>(
  model: Clip<P, E>,
  { arrays, state }: LoadedCheckpoint
): Effect.Effect<Trained<Clip<P, E>>, UnitError, Backend | Scope.Scope> =>
  Effect.gen(function* () {
    const backend = yield* Backend
    const params = yield* Effect.acquireRelease(
      backend.sync(() => paramsFrom<P>(model.specs, arrays)),
      (held) => Effect.sync(() => disposeParams(held))
    )
    return asTrained(model, params, state?.step ?? 0)
  })

/**
 * Weights of a checkpoint for a model that is known: a `.safetensors` or `.pt` file, a `step-N/` folder or a run
 * directory. A checkpoint that describes another model is refused with the fields that differ; a PyTorch file that
 * describes none has to have the model's tensors. The weights live until the scope closes.
 */
export const load = <P extends Params, E extends number>(
  model: Clip<P, E>,
  checkpoint: string
): Effect.Effect<
  Trained<Clip<P, E>>,
  CheckpointError | UnsafePickle | UnitError,
  CheckpointStore | Backend | Scope.Scope
> =>
  Effect.gen(function* () {
    const store = yield* CheckpointStore
    return yield* place(model, yield* store.load(checkpoint, { wanted: model }))
  })

const loadAnnounced = (
  checkpoint: string,
  options: LoadOptions
): Effect.Effect<LoadedCheckpoint, CheckpointError | UnsafePickle, CheckpointStore> =>
  Effect.gen(function* () {
    const store = yield* CheckpointStore
    const loaded = yield* store.load(checkpoint, options)
    if (loaded.inference !== undefined) yield* Console.error(plainText(loaded.inference))
    return loaded
  })

/**
 * The same where only the file knows the model; `use` gets model and weights whose types fit each other. A PyTorch file
 * that does not say is taken for the model that its tensors suggest, which is announced on stderr through Console.
 */
export const loadAny = <A, E, R>(
  checkpoint: string,
  use: <P extends Params>(trained: Trained<Clip<P>>) => Effect.Effect<A, E, R>,
  options: LoadOptions = {}
): Effect.Effect<A, E | CheckpointError | UnsafePickle | UnitError, R | CheckpointStore | Backend | Scope.Scope> =>
  Effect.gen(function* () {
    const loaded = yield* loadAnnounced(checkpoint, options)
    return yield* withModel(loaded.model, (model) => Effect.flatMap(place(model, loaded), use))
  })

/** The same for what needs differential attention in the image tower; ConfigInvalid for a model that has none. */
export const loadDiffVision = <A, E, R>(
  checkpoint: string,
  use: <TA>(trained: Trained<DiffVisionModel<TA>>) => Effect.Effect<A, E, R>,
  options: LoadOptions = {}
): Effect.Effect<
  A,
  E | CheckpointError | UnsafePickle | UnitError | ConfigInvalid,
  R | CheckpointStore | Backend | Scope.Scope
> =>
  Effect.gen(function* () {
    const loaded = yield* loadAnnounced(checkpoint, options)
    const looked = withDiffVision(loaded.model, (model) => Effect.flatMap(place(model, loaded), use))
    return yield* looked ?? invalid(
      "model",
      `expected differential attention in the image tower, found ${loaded.model.name} with ordinary attention: ` +
        "it has one map a head, and no difference to look at"
    )
  })
