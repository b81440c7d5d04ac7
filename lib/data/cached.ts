import { Effect, Exit, Stream } from "effect"
import type { RgbImage } from "../api/sample.ts"
import type { SampleSource, ShardInfo, Slot, StoredDataset } from "./source.ts"
import { windowsOf } from "./source.ts"

/** How much `cached` may keep. */
export interface CacheOptions {
  /** Bytes of pixels. Default 1 GiB. What does not fit is read again each time. */
  readonly maxBytes?: number
}

interface KeptShard<S, B> {
  readonly kept: Map<number, { readonly key: string; readonly exit: Exit.Exit<S, B> }>
  /** Places of the shard, once it was read to its end. */
  numPlaces: number | undefined
}

/**
 * The same data set with its decoded samples kept in memory from the first time on; the memory belongs to the value and
 * goes with it. Order, windows, errors and skipped samples are those of the data set itself: what is kept is each
 * sample's outcome, in the place where it is stored. A shard that is kept whole is not opened again, so files that change
 * underneath are not noticed. For small sets that are read for many epochs.
 */
export const cached = <S extends { readonly image: RgbImage }, E, B, R, D extends StoredDataset<S, E, B, R>>(
  dataset: D & StoredDataset<S, E, B, R>,
  { maxBytes = 1_073_741_824 }: CacheOptions = {}
): Effect.Effect<D> =>
  Effect.sync(() => {
    const shards = new Map<string, KeptShard<S, B>>()
    let numBytes = 0

    const keep = (shard: KeptShard<S, B>, place: number, key: string, exit: Exit.Exit<S, B>): void => {
      if (shard.kept.has(place)) return
      const size = Exit.isSuccess(exit) ? exit.value.image.data.byteLength : 0
      if (numBytes + size > maxBytes) return
      numBytes += size
      shard.kept.set(place, { key, exit })
    }

    const remembering = (shard: KeptShard<S, B>, place: number, slot: Slot<S, B, R>): Slot<S, B, R> => {
      const known = shard.kept.get(place)
      if (known !== undefined) return { key: known.key, decode: known.exit }
      const decode = Effect.onExit(slot.decode, (exit) =>
        Effect.sync(() => {
          // An interrupt is no outcome of the sample.
          if (Exit.isSuccess(exit) || !Exit.hasInterrupts(exit) && !Exit.hasDies(exit)) {
            keep(shard, place, slot.key, exit)
          }
        }))
      return { key: slot.key, decode }
    }

    const readFrom = (source: SampleSource<S, E, B, R>) => (info: ShardInfo): Stream.Stream<Slot<S, B, R>, E, R> =>
      Stream.suspend(() => {
        const shard = shards.get(info.path) ?? { kept: new Map(), numPlaces: undefined }
        shards.set(info.path, shard)
        if (shard.numPlaces === shard.kept.size) {
          const places = [...shard.kept].toSorted(([a], [b]) => a - b)
          return Stream.fromArray(places.map(([, { exit, key }]) => ({ key, decode: exit })))
        }
        let place = 0
        return Stream.concat(
          Stream.map(source.read(info), (slot) => remembering(shard, place++, slot)),
          Stream.suspend(() => {
            shard.numPlaces = place
            return Stream.empty
          })
        )
      })

    const { options, source } = dataset
    return { ...dataset, ...windowsOf({ ...source, read: readFrom(source) }, options, dataset.numSamples) }
  })
