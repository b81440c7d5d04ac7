import { Effect } from "effect"
import type { Scope } from "effect"
import type { Trained } from "../lib/api/index.ts"
import type { UnitError } from "../lib/backend/index.ts"
import { Backend } from "../lib/backend/index.ts"
import type { CheckpointError, LoadedCheckpoint, LoadOptions } from "../lib/checkpoint/index.ts"
import { CheckpointStore, paramsFrom, withModel } from "../lib/checkpoint/index.ts"
import type { Clip } from "../lib/models/index.ts"
import type { Params } from "../lib/tensor/index.ts"
import { disposeParams } from "../lib/tensor/index.ts"
import { asTrained } from "./trained.ts"

const place = <P extends Params>(
  model: Clip<P>,
  { arrays, state }: LoadedCheckpoint
): Effect.Effect<Trained<Clip<P>>, UnitError, Backend | Scope.Scope> =>
  Effect.gen(function* () {
    const backend = yield* Backend
    const params = yield* Effect.acquireRelease(
      backend.sync(() => paramsFrom<P>(model.specs, arrays)),
      (held) => Effect.sync(() => disposeParams(held))
    )
    return asTrained(model, params, state?.step ?? 0)
  })

/**
 * Weights of a checkpoint for a model that is known: a `.safetensors` file, a `step-N/` folder or a run directory. A
 * checkpoint of another model is refused with the fields that differ. The weights live until the scope closes.
 */
export const load = <P extends Params>(
  model: Clip<P>,
  checkpoint: string
): Effect.Effect<Trained<Clip<P>>, CheckpointError | UnitError, CheckpointStore | Backend | Scope.Scope> =>
  Effect.gen(function* () {
    const store = yield* CheckpointStore
    return yield* place(model, yield* store.load(checkpoint, { wanted: model }))
  })

/** The same where only the file knows the model; `use` gets model and weights whose types fit each other. */
export const loadAny = <A, E, R>(
  checkpoint: string,
  use: <P extends Params>(trained: Trained<Clip<P>>) => Effect.Effect<A, E, R>,
  options: LoadOptions = {}
): Effect.Effect<A, E | CheckpointError | UnitError, R | CheckpointStore | Backend | Scope.Scope> =>
  Effect.gen(function* () {
    const store = yield* CheckpointStore
    const loaded = yield* store.load(checkpoint, options)
    return yield* withModel(loaded.model, (model) => Effect.flatMap(place(model, loaded), use))
  })
