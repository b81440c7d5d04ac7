import { Effect, Stream } from "effect"
import type { Cursor, Dataset } from "../lib/api/index.ts"
import type { Key } from "../lib/tensor/index.ts"
import { fold, keyOf } from "../lib/tensor/index.ts"
import { DataChanged } from "./errors.ts"
import { isRecord } from "./record.ts"

/** How many samples of the window at a cursor were used, and their keys in order, folded into one. */
export interface WindowDigest {
  readonly count: number
  readonly keys: Key
}

interface Keyed {
  readonly key: string
}

const none: WindowDigest = { count: 0, keys: keyOf(0) }

const extended = ({ count, keys }: WindowDigest, samples: ReadonlyArray<Keyed>): WindowDigest => ({
  count: count + samples.length,
  keys: samples.reduce((folded, { key }) => fold(folded, key), keys)
})

/** The digest after a batch that ends at `cursor`: the samples of the window in which it ends; one not known stays so. */
const after = (
  digest: WindowDigest | undefined,
  windowSize: number,
  { samples, cursor }: { readonly samples: ReadonlyArray<Keyed>; readonly cursor: Cursor }
): WindowDigest | undefined => {
  // Places in a window count its good samples, so the remainder is how many of the window were used.
  const count = cursor.delivered % windowSize
  if (count > samples.length) return digest === undefined ? undefined : extended(digest, samples)
  return extended(none, samples.slice(samples.length - count))
}

const isSameCursor = (a: Cursor, b: Cursor): boolean => a.epoch === b.epoch && a.delivered === b.delivered

/** Follows what is used of each window, for the checkpoint of any whole step. */
export interface OrderWatch {
  /** Told of a step's batches before the step is done. */
  readonly take: (batches: ReadonlyArray<{ readonly samples: ReadonlyArray<Keyed>; readonly cursor: Cursor }>) => void
  /**
   * The digest at the cursor of the last whole step, of the one before it, or of a step that is begun; undefined where what
   * was used of its window is not known.
   */
  readonly at: (cursor: Cursor) => WindowDigest | undefined
  /** Begins again at a cursor, with what was known there. */
  readonly rewind: (cursor: Cursor, digest: WindowDigest | undefined) => void
}

/** Whole steps whose place is remembered: the last, one whose figures are not read yet, and one that is begun. */
const REMEMBERED = 3

/**
 * A watch that begins at a cursor. In the middle of a window it needs the digest of what was used of it: without one, or
 * with one of another number of samples, nothing is known until the next window begins.
 */
export const watchOrder = (windowSize: number, cursor: Cursor, stored: WindowDigest = none): OrderWatch => {
  const digest = stored.count === cursor.delivered % windowSize ? stored : undefined
  let places = [{ cursor, digest }]
  return {
    take: (batches) => {
      let place = places.at(-1)
      for (const batch of batches) {
        place = { cursor: batch.cursor, digest: after(place?.digest, windowSize, batch) }
      }
      if (place !== undefined) places = [...places, place].slice(-REMEMBERED)
    },
    at: (at) => places.findLast((place) => isSameCursor(place.cursor, at))?.digest,
    rewind: (cursor, digest) => {
      places = [{ cursor, digest }]
    }
  }
}

/** A digest as it stands in a state's JSON. */
export const storedDigest = (digest: WindowDigest | undefined): WindowDigest | "unknown" => digest ?? "unknown"

/** The digest in a state's JSON; undefined where it is unknown, or there is none, as in checkpoints of older versions. */
export const digestIn = (stored: unknown): WindowDigest | undefined => {
  if (!isRecord(stored) || !isRecord(stored["keys"])) return undefined
  const [count, a, b] = [stored["count"], stored["keys"]["a"], stored["keys"]["b"]]
  if (typeof count !== "number" || typeof a !== "number" || typeof b !== "number") return undefined
  return { count, keys: { a, b } }
}

/**
 * The data set, whose first window from `cursor` on must begin with the samples that the run had used of it before it
 * stopped: otherwise all that follow would stand elsewhere, unnoticed. Without a digest nothing is compared. Fails with
 * DataChanged; `suspect` says what may be the cause.
 */
export const inSameOrder = <S extends Keyed, E, R>(
  dataset: Dataset<S, E, R>,
  cursor: Cursor,
  digest: WindowDigest | undefined,
  suspect: () => string | undefined
): Dataset<S, E | DataChanged, R> => {
  if (digest === undefined || digest.count === 0) return dataset
  const check = (window: ReadonlyArray<S>): Effect.Effect<ReadonlyArray<S>, DataChanged> => {
    const { count, keys } = extended(none, window.slice(0, digest.count))
    if (count === digest.count && keys.a === digest.keys.a && keys.b === digest.keys.b) return Effect.succeed(window)
    const cause = suspect()
    const message =
      `expected the ${digest.count} samples of ${JSON.stringify(dataset.name)} that the run had used before ` +
      `place ${cursor.delivered} of epoch ${cursor.epoch}, found others${cause === undefined ? "" : `: ${cause}`}. ` +
      "Restore the files as they were, or start the run afresh"
    return Effect.fail(new DataChanged({ dataset: dataset.name, ...cursor, message }))
  }
  return {
    ...dataset,
    windows: (plan, from) => {
      const windows = dataset.windows(plan, from)
      if (!isSameCursor(from, cursor)) return windows
      return Stream.mapEffect(
        windows,
        (window, i): Effect.Effect<ReadonlyArray<S>, DataChanged> => i === 0 ? check(window) : Effect.succeed(window)
      )
    }
  }
}
