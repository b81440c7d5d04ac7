import { Effect, Stream } from "effect"
import type { StoredDataset } from "./source.ts"
import { windowsOf } from "./source.ts"

/**
 * A data set of samples that are in memory, as one shard: the order of an epoch permutes each window of `windowSize`
 * places, and with `windowSize >= samples.length` the whole. It cannot fail and needs nothing.
 *
 * @example
 * ```ts
 * import { fromArray } from "diffclip"
 *
 * const image = { width: 1, height: 1, data: Uint8Array.of(255, 0, 0) }
 * const pairs = fromArray("one", [{ key: "red", image, captions: ["a red pixel", "red"] }])
 * console.log(pairs.numSamples) // 1
 * ```
 */
export const fromArray = <S extends { readonly key: string }>(
  name: string,
  samples: ReadonlyArray<S>
): StoredDataset<S, never, never, never> & { readonly numSamples: number } => {
  const slots = samples.map((sample) => ({ key: sample.key, decode: Effect.succeed(sample) }))
  const source = {
    name,
    shards: Effect.succeed([{ path: name, numSamples: samples.length }]),
    read: () => Stream.fromArray(slots)
  }
  const dataset = windowsOf<S, never, never, never>(
    source,
    { concurrency: 1, onBadSample: { policy: "fail" } },
    samples.length
  )
  return { ...dataset, numSamples: samples.length }
}
