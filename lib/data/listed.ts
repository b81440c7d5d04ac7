import { Effect, Stream } from "effect"
import type { SampleSource, Slot } from "./source.ts"
import { fnv1a } from "./tableIndex.ts"

/** Samples that are shuffled as one; as many as in a run of a table. */
const BLOCK_SAMPLES = 256

/**
 * A source of samples that are listed beforehand, in the order of the list. Runs of 256 are its shards; each is named by
 * a hash of its keys, which makes the fingerprint one of the list.
 */
export const listedSource = <T extends { readonly key: string }, S, B, R>(
  name: string,
  items: ReadonlyArray<T>,
  slotOf: (item: T) => Slot<S, B, R>
): SampleSource<S, never, B, R> => {
  const encoder = new TextEncoder()
  const blocks = new Map<string, ReadonlyArray<T>>()
  for (let start = 0; start < items.length; start += BLOCK_SAMPLES) {
    const block = items.slice(start, start + BLOCK_SAMPLES)
    const hash = block.reduce((h, { key }) => fnv1a(h, encoder.encode(`${key}\n`)), 0x811c9dc5)
    blocks.set(`${name}#${start}-${hash.toString(16)}`, block)
  }
  const shards = [...blocks].map(([path, { length }]) => ({ path, numSamples: length }))
  return {
    name,
    shards: Effect.succeed(shards),
    read: (shard) => Stream.suspend(() => Stream.fromIterable((blocks.get(shard.path) ?? []).map(slotOf)))
  }
}
