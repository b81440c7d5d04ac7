import { layer } from "@effect/vitest"
import { Effect, FileSystem, Path } from "effect"
import fc from "fast-check"
import { expect } from "vitest"
import { webdataset, writeShards } from "../../lib/data/index.ts"
import { directory, samplesOf, sequential, services, shuffled, start, windowKeys } from "./files.ts"

layer(services)("the order of an epoch", (it) => {
  const shards = Effect.tap(directory, (dir) => writeShards(dir, samplesOf(31), { samplesPerShard: 4 }))

  it.effect("is a function of (seed, epoch): the same again, another for another seed or epoch, and all samples once", () =>
    Effect.gen(function* () {
      const dataset = webdataset(yield* shards)
      const keysOf = (seed: number, epoch: number) => windowKeys(dataset, shuffled(seed, 5), { epoch, delivered: 0 })
      const first = yield* keysOf(1, 0)
      expect(yield* keysOf(1, 0)).toEqual(first)
      expect(yield* keysOf(2, 0)).not.toEqual(first)
      expect(yield* keysOf(1, 1)).not.toEqual(first)
      for (const epoch of [0, 1, 2]) {
        expect((yield* keysOf(1, epoch)).flat().toSorted()).toEqual(samplesOf(31).map(({ key }) => key))
      }
    }))

  it.effect("has windows of windowSize cut along the permuted shards, the last one with what is left", () =>
    Effect.gen(function* () {
      const dataset = webdataset(yield* shards)
      const windows = yield* windowKeys(dataset, shuffled(7, 8), start)
      expect(windows.map((window) => window.length)).toEqual([8, 8, 8, 7])
      // Shards of 4, windows of 8: each window is exactly two shards, unless the shard of 3 came before.
      const shardsIn = windows.map((window) => new Set(window.map((key) => Math.floor(Number(key) / 4))).size)
      expect(Math.max(...shardsIn)).toBeLessThanOrEqual(3)
      const whole = (yield* windowKeys(dataset, shuffled(7, 4), start)).map((window) => window.toSorted())
      expect(whole.flat()).not.toEqual(samplesOf(31).map(({ key }) => key))
      expect(whole.slice(0, 2).flat().toSorted()).toEqual(windows[0]?.toSorted())
    }))

  it.effect("sequential is the stored order", () =>
    Effect.gen(function* () {
      const keys = yield* windowKeys(webdataset(yield* shards), sequential(8), { epoch: 5, delivered: 0 })
      expect(keys.flat()).toEqual(samplesOf(31).map(({ key }) => key))
    }))

  it.effect(
    "from any cursor is the rest from the window that holds it, with sizes.json and without",
    () =>
      Effect.gen(function* () {
        const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
        const [dir, bare] = [yield* shards, yield* shards]
        yield* fs.remove(path.join(bare, "sizes.json"))
        for (const dataset of [webdataset(dir), webdataset(bare)]) {
          const cursor = fc.record({
            epoch: fc.nat(2),
            delivered: fc.nat(40),
            windowSize: fc.integer({ min: 1, max: 40 })
          })
          for (const { delivered, epoch, windowSize } of fc.sample(cursor, { numRuns: 10, seed: 4 })) {
            const plan = shuffled(11, windowSize)
            const all = yield* windowKeys(dataset, plan, { epoch, delivered: 0 })
            const rest = yield* windowKeys(dataset, plan, { epoch, delivered })
            expect(rest, JSON.stringify({ delivered, epoch, windowSize })).toEqual(
              all.slice(Math.floor(delivered / windowSize))
            )
          }
        }
      }),
    60_000
  )

  it.effect("a resume opens no shard before its window when the sizes are known", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const dir = yield* shards
      const opened: Array<string> = []
      const watching: FileSystem.FileSystem = {
        ...fs,
        stream: (path, options) => {
          opened.push(path)
          return fs.stream(path, options)
        }
      }
      const read = windowKeys(webdataset(dir), sequential(5), { epoch: 0, delivered: 17 })
      yield* Effect.provideService(read, FileSystem.FileSystem, watching)
      // Place 17 lies in the window of places 15 to 19, which begins in the shard of places 12 to 15.
      expect(opened.map((path) => path.slice(-9))).toEqual([
        "00003.tar",
        "00004.tar",
        "00005.tar",
        "00006.tar",
        "00007.tar"
      ])
    }))
})
