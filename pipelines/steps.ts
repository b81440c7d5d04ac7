import { Effect } from "effect"
import type { ImageText } from "../lib/api/index.ts"
import type { UnitError } from "../lib/backend/index.ts"
import type { Batch } from "../lib/data/index.ts"
import type { LogEntry } from "../lib/track/index.ts"
import type { NonFiniteLoss } from "./errors.ts"
import { makeLateSteps } from "./lateStep.ts"
import type { Position } from "./position.ts"
import { makeStep, type Recipe } from "./training.ts"
import type { TwoTowerParams } from "./trainStep.ts"

/** Steps one after the other; on an engine that answers late the last one's figures may still be on the way. */
export interface Steps<E> {
  /** Does a step, or encodes it and tells of the one before. */
  readonly step: (
    microBatches: ReadonlyArray<Batch<ImageText>>,
    dataWaitMs: number
  ) => Effect.Effect<void, UnitError | NonFiniteLoss | E>
  /** Waits for what is on the way and tells of it: then the position is known to be finite. An interrupted wait can be taken up again. */
  readonly settle: Effect.Effect<void, UnitError | NonFiniteLoss | E>
  /** Forgets what is on the way, with the device. */
  readonly drop: Effect.Effect<void>
}

/** What hears of each finite step, in order: `log` before anything can interrupt, then `show`. */
export interface Told<E> {
  readonly log: (entry: LogEntry) => Effect.Effect<void, E>
  readonly show: (entry: LogEntry) => Effect.Effect<void>
}

/** The steps of a recipe, which move `position`, in the way that suits its engine. */
export const makeSteps = <P extends TwoTowerParams, S, E>(
  recipe: Recipe<P, S>,
  position: Position<P, S>,
  { log, show }: Told<E>
): Steps<E> => {
  const { readLater } = recipe.backend
  if (readLater !== undefined) {
    return makeLateSteps(recipe, readLater, position, (entry) => Effect.andThen(log(entry), show(entry)))
  }
  const step = makeStep(recipe)
  return {
    step: (microBatches, dataWaitMs) => Effect.flatMap(step(position, microBatches, dataWaitMs, log), show),
    settle: Effect.void,
    drop: Effect.void
  }
}
