import type { Cursor } from "../lib/api/index.ts"
import type { Params } from "../lib/tensor/index.ts"
import { disposeParams } from "../lib/tensor/index.ts"
import { flattenState } from "./stateTree.ts"

/**
 * Where a run stands: the one mutable record of training. It owns parameters and optimizer state; a step replaces all
 * fields at once, inside one synchronous unit, so whoever looks between units sees a whole step.
 */
export interface Position<P extends Params, S> {
  params: P
  state: S
  /** Updates done. */
  step: number
  /** Data delivered to them. */
  cursor: Cursor
  /** False while an update is under way, and for ever when it threw half-way: such a position is not saved. */
  isWhole: boolean
}

/** Frees the optimizer's state. */
export const disposeState = (state: unknown): void => {
  for (const value of flattenState(state).values.values()) value.tensor.dispose()
}

/** Frees what a position owns. */
export const disposePosition = <P extends Params, S>(position: Position<P, S>): void => {
  disposeParams(position.params)
  disposeState(position.state)
}
