import { Effect, Pull, Stream } from "effect"
import type { Cursor, Dataset, EpochPlan } from "../api/dataset.ts"
import { evenlyBefore, inOrderBefore } from "./apportion.ts"
import { digestOf } from "./digest.ts"
import { SizeError } from "./errors.ts"
import { shown } from "./shown.ts"

/** A part of a blend: how many places its epochs have, and how many places of an epoch are its own. */
export interface BlendPart<S, E, R> {
  readonly dataset: Dataset<S, E, R>
  readonly numPlaces: number
  readonly count: number
}

/** Where the places of the parts are. `inOrder` holds for the stored order only; shuffled epochs are spread evenly. */
export type BlendOrder = "evenly" | "inOrder"

/** A place of a part: its sample, or nothing where a bad one was left out. */
type Place<S> = { readonly sample: S } | undefined

const sizeError = (dataset: string, numSamples: number, epoch: number, got: string): SizeError => {
  const message =
    `expected ${numSamples} samples in epoch ${epoch} of ${shown(dataset)} as it says, got ${got}: count ` +
    "them (openWebdataset), or correct numSamples"
  return new SizeError({ dataset, numSamples, epoch, message })
}

/** One epoch of a part as places, from one of them on: windows that are shorter are filled up. */
const placesOfEpoch = <S, E, R>(
  { dataset, numPlaces }: BlendPart<S, E, R>,
  plan: EpochPlan,
  from: Cursor
): Stream.Stream<ReadonlyArray<Place<S>>, E | SizeError, R> =>
  Stream.suspend(() => {
    const first = Math.floor(from.delivered / plan.windowSize)
    const numWindows = Math.ceil(numPlaces / plan.windowSize)
    let index = first
    const places = Stream.mapEffect(dataset.windows(plan, from), (window) => {
      const begin = index * plan.windowSize
      const length = Math.min(plan.windowSize, numPlaces - begin)
      if (window.length > length) {
        return Effect.fail(sizeError(dataset.name, numPlaces, from.epoch, "more"))
      }
      const all = Array.from({ length }, (_, i): Place<S> => {
        const sample = window[i]
        return i < window.length && sample !== undefined ? { sample } : undefined
      })
      const drop = index === first ? from.delivered - begin : 0
      index++
      return Effect.succeed(all.slice(drop))
    })
    const end = Stream.suspend(() =>
      index === numWindows ? Stream.empty : Stream.fail(
        sizeError(dataset.name, numPlaces, from.epoch, `${index} windows of ${plan.windowSize}, not ${numWindows}`)
      )
    )
    return Stream.concat(places, end)
  })

/** All places of a part from one on, through its own epochs. */
const placesFrom = <S, E, R>(part: BlendPart<S, E, R>, plan: EpochPlan, position: number) => {
  const epoch = Math.floor(position / part.numPlaces)
  const start: Cursor = { epoch, delivered: position - epoch * part.numPlaces }
  return Stream.iterate(start, (cursor) => ({ epoch: cursor.epoch + 1, delivered: 0 })).pipe(
    Stream.flatMap((cursor) => placesOfEpoch(part, plan, cursor))
  )
}

/** Hands out the places of a part one by one; what was read beyond them waits. */
const drawer = <S, E, R>(part: BlendPart<S, E, R>, plan: EpochPlan, position: number) =>
  Effect.map(Stream.toPull(placesFrom(part, plan, position)), (endless) => {
    const pull = Pull.catchDone(endless, () => Effect.die(new Error("an endless stream has ended")))
    let held: ReadonlyArray<Place<S>> = []
    let at = 0
    const has = (count: number): boolean => held.length - at >= count
    return {
      /** Reads until `count` places wait. */
      fill: (count: number) =>
        Effect.whileLoop({
          while: () => !has(count),
          body: () => pull,
          step: (windows) => {
            held = [...held.slice(at), ...windows.flat()]
            at = 0
          }
        }),
      next: (): Place<S> => held[at++]
    }
  })

const fingerprintOf = <S, E, R>(kind: string, parts: ReadonlyArray<BlendPart<S, E, R>>): Effect.Effect<string, E, R> =>
  Effect.gen(function* () {
    const listed: Array<unknown> = [kind]
    for (const { count, dataset, numPlaces } of parts) {
      const known = dataset.fingerprint === undefined ? dataset.name : yield* dataset.fingerprint
      listed.push([known, numPlaces, count])
    }
    return yield* digestOf(JSON.stringify(listed))
  })

/**
 * One data set of several. Of each epoch, `count` places belong to a part; they are spread evenly over the epoch (so that
 * every batch has the parts' shares), or stand in the order of the parts. A part goes through its own epochs: epoch e of
 * the blend uses its places from e x count on, in its own order for (seed, its epoch). Everything is a function of (seed,
 * epoch), so windows from a cursor on are those of a whole reading. A window has as many samples in memory as its places,
 * and about as many again in the parts. Fails as the parts do, and with SizeError for one that has another number of
 * samples than it says.
 */
export const blend = <S, E, R>(
  kind: string,
  name: string,
  allParts: ReadonlyArray<BlendPart<S, E, R>>,
  stored: BlendOrder
): Dataset<S, E | SizeError, R> & { readonly numSamples: number } => {
  const parts = allParts.filter(({ count }) => count > 0)
  const counts = parts.map(({ count }) => count)
  const total = counts.reduce((all, count) => all + count, 0)
  for (const { dataset, numPlaces } of parts) {
    if (!Number.isSafeInteger(numPlaces) || numPlaces < 1) {
      throw new RangeError(`expected samples in ${shown(dataset.name)}, got numSamples ${numPlaces}`)
    }
  }
  // What a filter leaves of its places, it leaves on average of those that a mixture draws.
  const kept = ({ count, dataset, numPlaces }: BlendPart<S, E, R>) =>
    Math.round(count * (dataset.numSamples ?? numPlaces) / numPlaces)
  const numSamples = parts.reduce((sum, part) => sum + kept(part), 0)
  return {
    name,
    numSamples,
    ...(numSamples === total ? {} : { numPlaces: total }),
    check: Effect.forEach(parts, ({ dataset }) => dataset.check ?? Effect.void, { discard: true }),
    fingerprint: fingerprintOf(kind, allParts),
    windows: (plan, from) => {
      const isInOrder = stored === "inOrder" && plan.order === "sequential"
      const before = (place: number) => isInOrder ? inOrderBefore(counts, place) : evenlyBefore(counts, place)
      const begin = Math.floor(from.delivered / plan.windowSize) * plan.windowSize
      if (begin >= total) return Stream.empty
      return Stream.unwrap(Effect.gen(function* () {
        const taken = before(begin)
        const drawers = yield* Effect.forEach(parts, (part, i) => {
          const share = isInOrder ? plan.windowSize : Math.round(plan.windowSize * part.count / total)
          const inner = { ...plan, windowSize: Math.max(1, share) }
          return drawer(part, inner, from.epoch * part.count + (taken[i] ?? 0))
        })
        const window = (start: number) =>
          Effect.gen(function* () {
            const end = Math.min(start + plan.windowSize, total)
            let [earlier, later] = [before(start), before(end)]
            yield* Effect.forEach(drawers, ({ fill }, i) => fill((later[i] ?? 0) - (earlier[i] ?? 0)))
            const samples: Array<S> = []
            for (let place = start; place < end; place++) {
              later = before(place + 1)
              const next = drawers[later.findIndex((count, i) => count > (earlier[i] ?? 0))]?.next()
              if (next !== undefined) samples.push(next.sample)
              earlier = later
            }
            return samples
          })
        const starts = Array.from(
          { length: Math.ceil((total - begin) / plan.windowSize) },
          (_, i) => begin + i * plan.windowSize
        )
        return Stream.mapEffect(Stream.fromIterable(starts), window)
      }))
    }
  }
}
