import { Effect } from "effect"
import type { UnitError } from "../lib/backend/index.ts"
import type { CheckpointError, CheckpointStoreShape } from "../lib/checkpoint/index.ts"
import { type Copies, copyOf } from "./copies.ts"
import type { Position } from "./position.ts"
import type { OpenRun } from "./runDirectory.ts"
import { storedDigest } from "./sameOrder.ts"
import type { Recipe } from "./training.ts"
import type { TwoTowerParams } from "./trainStep.ts"
import { version } from "./version.ts"

/** Writes a run's checkpoints. */
export interface Saver {
  /** Saves the last whole step, unless it is on disk already, and says where. */
  readonly save: Effect.Effect<string, CheckpointError | UnitError>
  /** The same for a run that ends early, where there is something to save; undefined where there is not. */
  readonly rescue: Effect.Effect<string | undefined, CheckpointError | UnitError>
  /** The same, marked as the run's last. */
  readonly finish: Effect.Effect<string, CheckpointError | UnitError>
}

/**
 * A saver of a position: weights, both moments, cursor, seed, versions, engine path, the run's record, how many samples
 * were skipped, what was validated, and what was used of the window at the cursor. `copies` get what was read.
 */
export const makeSaver = <P extends TwoTowerParams, S>(
  store: CheckpointStoreShape,
  { dir, order, record, resumed, skips, validated }: OpenRun<P, S>,
  { model, config, backend }: Recipe<P, S>,
  position: Position<P, S>,
  copies?: Copies
): Saver => {
  let saved = resumed
  const isOnDisk = (finished: boolean): boolean =>
    saved?.step === position.step && saved.validatedStep === validated.step && (saved.finished || !finished)
  const write = (finished: boolean): Effect.Effect<string, CheckpointError | UnitError> =>
    Effect.suspend(() => {
      if (saved !== undefined && isOnDisk(finished)) return Effect.succeed(saved.folder)
      return Effect.gen(function* () {
        const { params, optimizer, numbers } = yield* copyOf(position, backend)
        const { folder } = yield* store.save(dir, {
          model,
          params,
          optimizer,
          state: {
            step: position.step,
            cursor: position.cursor,
            seed: config.seed,
            versions: { library: version, runtime: globalThis.navigator?.userAgent ?? "unknown" },
            enginePath: backend.path,
            finished,
            best: validated.best,
            extra: {
              run: record,
              validated: validated.step,
              optimizerNumbers: numbers,
              skipped: yield* skips.write,
              window: storedDigest(order.at(position.cursor))
            }
          }
        })
        copies?.keep({ params, optimizer, numbers })
        saved = { step: position.step, finished, validatedStep: validated.step, folder }
        return folder
      })
    })
  const rescue = Effect.suspend(() =>
    position.isWhole && position.step > 0 ? write(false) : Effect.succeed(saved?.folder)
  )
  return {
    save: Effect.uninterruptible(write(false)),
    rescue: Effect.uninterruptible(rescue),
    finish: Effect.uninterruptible(write(true))
  }
}
