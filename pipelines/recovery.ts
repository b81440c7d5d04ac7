import { Effect } from "effect"
import type { UnitError } from "../lib/backend/index.ts"
import { DeviceLost } from "../lib/backend/index.ts"
import type { CheckpointError } from "../lib/checkpoint/index.ts"
import type { ProgressShape } from "../lib/track/index.ts"
import type { Copies } from "./copies.ts"
import { disposePosition, type Position } from "./position.ts"
import type { OpenRun } from "./runDirectory.ts"
import { resumedPosition } from "./startPosition.ts"
import type { Recipe } from "./training.ts"
import type { TwoTowerParams } from "./trainStep.ts"

/** How many losses of the device a run survives; a card that is lost again and again needs somebody to look at it. */
export const MOST_RECOVERIES = 3

/** What a run is brought back with. */
export interface Recovering<P extends TwoTowerParams, S> {
  readonly recipe: Recipe<P, S>
  readonly run: OpenRun<P, S>
  readonly position: Position<P, S>
  readonly copies: Copies
  /** Forgets what was asked of the lost device. */
  readonly drop: Effect.Effect<void>
  readonly progress: ProgressShape
}

/** Puts the position back to the newest copy, or to the begin of the run, on a new device. Nothing of the old one is left. */
const putBack = <P extends TwoTowerParams, S>(
  { recipe, run, position, copies, drop }: Recovering<P, S>,
  restart: Effect.Effect<void, unknown>
): Effect.Effect<void, unknown> =>
  Effect.uninterruptible(Effect.gen(function* () {
    yield* drop
    position.isWhole = false // until it stands on the new device
    disposePosition(position)
    yield* restart
    const newest = copies.newest()
    const placed: Effect.Effect<Position<P, S>, UnitError | CheckpointError> = newest === undefined ?
      run.start :
      resumedPosition(recipe, newest.point)
    Object.assign(position, yield* placed)
    const digest = newest === undefined ? run.digestAtStart : newest.digest
    run.order.rewind(position.cursor, digest)
  }))

/**
 * Runs `work`, which goes on from the position, and when the device is lost puts the position back to the newest copy on
 * a new device and runs it again: the steps since that copy are repeated, with the same bits. Each time is announced;
 * after MOST_RECOVERIES times, and where the engine cannot restart or does not come up again, it fails with DeviceLost.
 */
export const survivingLoss = <P extends TwoTowerParams, S, A, E, R>(
  recovering: Recovering<P, S>,
  work: Effect.Effect<A, E, R>
): Effect.Effect<A, E | DeviceLost, R> => {
  const { recipe: { backend: { restart } }, position, progress } = recovering
  const after = (numLost: number): Effect.Effect<A, E | DeviceLost, R> =>
    Effect.catch(work, (error): Effect.Effect<A, E | DeviceLost, R> => {
      if (!(error instanceof DeviceLost)) return Effect.fail(error)
      if (restart === undefined) return Effect.fail(error)
      const { step } = position
      position.isWhole = false // its tensors are gone
      if (numLost === MOST_RECOVERIES) return Effect.fail(again(error))
      return Effect.matchEffect(putBack(recovering, restart), {
        onFailure: (cause) => Effect.fail(withMessage(error, `${error.message} (no new device: ${wordsOf(cause)})`)),
        onSuccess: () => {
          const text = `${lossOf(error)}; going on after step ${position.step} of ${step} on a new device ` +
            `(${numLost + 1} of at most ${MOST_RECOVERIES} times)`
          return Effect.andThen(progress.note(text), after(numLost + 1))
        }
      })
    })
  return after(0)
}

const wordsOf = (cause: unknown): string => cause instanceof Error ? cause.message : String(cause)

const lossOf = ({ adapter, reason }: DeviceLost): string => `the device of ${adapter} was lost (${reason})`

const withMessage = ({ backend, adapter, reason }: DeviceLost, message: string): DeviceLost =>
  new DeviceLost({ backend, adapter, reason, message })

const again = (error: DeviceLost): DeviceLost =>
  withMessage(error, `${error.message} (lost ${MOST_RECOVERIES + 1} times in this run)`)
