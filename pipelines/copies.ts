import { Effect } from "effect"
import type { BackendShape, UnitError } from "../lib/backend/index.ts"
import type { NamedArray } from "../lib/checkpoint/index.ts"
import { readArrays } from "../lib/checkpoint/index.ts"
import type { Params } from "../lib/tensor/index.ts"
import type { OpenRun } from "./runDirectory.ts"
import type { Position } from "./position.ts"
import type { WindowDigest } from "./sameOrder.ts"
import type { StartPoint } from "./startPosition.ts"
import { type FlatState, flattenState } from "./stateTree.ts"
import type { TwoTowerParams } from "./trainStep.ts"

/** The numbers of a position on the host. */
export interface HostCopy {
  readonly params: ReadonlyArray<NamedArray>
  readonly optimizer: ReadonlyArray<NamedArray>
  readonly numbers: FlatState["numbers"]
}

/** Reads weights and optimizer state. */
export const copyOf = <P extends Params, S>(
  { params, state }: Position<P, S>,
  { read }: Pick<BackendShape, "read">
): Effect.Effect<HostCopy, UnitError> =>
  Effect.gen(function* () {
    const { values, numbers } = flattenState(state)
    return {
      params: yield* readArrays(params, read),
      optimizer: yield* readArrays(Object.fromEntries(values), read),
      numbers
    }
  })

/** A position on the host, and what was used of its window: where a run can go on whose device was lost. */
export interface Snapshot {
  readonly point: StartPoint
  readonly digest: WindowDigest | undefined
}

/** The newest copy of a run's position. */
export interface Copies {
  /** Keeps a copy of the position as it stands. */
  readonly keep: (copy: HostCopy) => void
  /** Makes and keeps a copy, unless there is one of this step. */
  readonly take: Effect.Effect<void, UnitError>
  /** Undefined before the first one: then the run goes on from where it began. */
  readonly newest: () => Snapshot | undefined
}

/** Copies of a position, one at a time. */
export const makeCopies = <P extends TwoTowerParams, S>(
  { order }: Pick<OpenRun<P, S>, "order">,
  backend: Pick<BackendShape, "read">,
  position: Position<P, S>
): Copies => {
  let newest: Snapshot | undefined
  const byPath = (arrays: ReadonlyArray<NamedArray>) => new Map(arrays.map((array) => [array.path, array]))
  const keep = ({ params, optimizer, numbers }: HostCopy): void => {
    const { step, cursor } = position
    newest = {
      point: {
        arrays: byPath(params),
        optimizer: byPath(optimizer),
        state: { step, cursor, extra: { optimizerNumbers: numbers } }
      },
      digest: order.at(cursor)
    }
  }
  return {
    keep,
    take: Effect.suspend(() =>
      newest?.point.state.step === position.step ? Effect.void : Effect.map(copyOf(position, backend), keep)
    ),
    newest: () => newest
  }
}
