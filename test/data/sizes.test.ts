import { layer } from "@effect/vitest"
import { Effect, FileSystem, Path, Stream } from "effect"
import { expect } from "vitest"
import { countSamples, findShards, webdataset, writeShards } from "../../lib/data/index.ts"
import { directory, samplesOf, sequential, services, start, text, writeFile } from "./files.ts"

layer(services)("how many samples shards hold", (it) => {
  /** Seven samples in shards of three, without sizes.json. */
  const bare = Effect.gen(function* () {
    const [fs, path, dir] = [yield* FileSystem.FileSystem, yield* Path.Path, yield* directory]
    yield* writeShards(dir, samplesOf(7), { samplesPerShard: 3 })
    yield* fs.remove(path.join(dir, "sizes.json"))
    return dir
  })
  const numbers = (dir: string) => Effect.map(findShards(dir), (shards) => shards.map(({ numSamples }) => numSamples))

  it.effect("img2dataset's statistics say it shard by shard; sizes.json goes before them", () =>
    Effect.gen(function* () {
      const dir = yield* bare
      expect(yield* numbers(dir)).toEqual([undefined, undefined, undefined])
      yield* writeFile(text('{"count": 10, "successes": 3, "failed_to_download": 7}'), dir, "00000_stats.json")
      yield* writeFile(text('{"successes": 1}'), dir, "00002_stats.json")
      expect(yield* numbers(dir)).toEqual([3, undefined, 1])
      expect(yield* countSamples(dir)).toBe(7)
      yield* writeFile(text('{"00000.tar": 3, "00001.tar": 3}'), dir, "sizes.json")
      yield* writeFile(text('{"successes": 2}'), dir, "00000_stats.json")
      expect(yield* numbers(dir)).toEqual([3, 3, 1])
    }))

  it.effect("statistics that contradict their shard, or are none, are errors", () =>
    Effect.gen(function* () {
      const dir = yield* bare
      yield* writeFile(text('{"successes": 2}'), dir, "00001_stats.json")
      const error = yield* Effect.flip(Stream.runDrain(webdataset(dir).windows(sequential(4), start)))
      expect(error).toMatchObject({ _tag: "ShardError", reason: "sizes" })
      expect(error.message).toContain("_stats.json")
      for (const wrong of ["{}", '{"successes": "3"}', "[]", "{"]) {
        yield* writeFile(text(wrong), dir, "00001_stats.json")
        expect(yield* Effect.flip(findShards(dir)), wrong).toMatchObject({ reason: "sizes" })
      }
    }))

  it.effect("__len__ says it for a whole directory, and not for a part of one", () =>
    Effect.gen(function* () {
      const [path, dir] = [yield* Path.Path, yield* bare]
      yield* writeFile(text("1234\n"), dir, "__len__")
      expect(yield* countSamples(dir)).toBe(1234)
      expect(yield* countSamples(path.join(dir, "{00000..00002}.tar"))).toBe(1234)
      expect(yield* countSamples(path.join(dir, "{00000..00001}.tar"))).toBe(6)
      yield* writeFile(text("many"), dir, "__len__")
      expect(yield* Effect.flip(countSamples(dir))).toMatchObject({ reason: "sizes" })
    }))
})
