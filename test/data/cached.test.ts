import { layer } from "@effect/vitest"
import { Effect, FileSystem, Stream } from "effect"
import { expect } from "vitest"
import type { Dataset, EpochPlan, ImageText } from "../../lib/api/index.ts"
import { cached, labelled, webdataset, writeShards } from "../../lib/data/index.ts"
import type { SampleError, StoredSample } from "../../lib/data/index.ts"
import { directory, nameOf, picture, sampleOf, samplesOf, services, shuffled, start, text, writeFile } from "./files.ts"

layer(services)("a cached data set", (it) => {
  const bad = (i: number): StoredSample => ({ key: nameOf(i), members: { png: picture(i) } })
  const shards = Effect.tap(
    directory,
    (dir) => writeShards(dir, samplesOf(23).map((sample, i) => i % 9 === 4 ? bad(i) : sample), { samplesPerShard: 6 })
  )
  const all = <E, R>(dataset: Dataset<ImageText, E, R>, plan: EpochPlan, epoch: number, delivered = 0) =>
    Stream.runCollect(dataset.windows(plan, { epoch, delivered }))

  it.effect("equals the uncached one in every epoch, from every window, reports of skipped samples included", () =>
    Effect.gen(function* () {
      const dir = yield* shards
      const reports: ReadonlyArray<Array<string>> = [[], []]
      const make = (i: number) =>
        webdataset(dir, {
          onBadSample: {
            policy: "skip",
            ceiling: 3,
            report: (error: SampleError) => Effect.sync(() => void reports[i]?.push(error.key))
          }
        })
      for (const maxBytes of [1e9, 60, 0]) {
        const [plain, kept] = [make(0), yield* cached(make(1), { maxBytes })]
        const plan = shuffled(5, 7)
        for (const [epoch, delivered] of [[0, 9], [0, 0], [1, 0], [2, 15], [2, 0]] as const) {
          expect(yield* all(kept, plan, epoch, delivered)).toEqual(yield* all(plain, plan, epoch, delivered))
        }
      }
      expect(reports[1]).toEqual(reports[0])
    }))

  it.effect("opens each shard once when all fits, and again what does not fit", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const dir = yield* directory
      yield* writeShards(dir, samplesOf(12), { samplesPerShard: 4 })
      let opened = 0
      const counting: FileSystem.FileSystem = {
        ...fs,
        stream: (path, options) => {
          opened++
          return fs.stream(path, options)
        }
      }
      const openedIn3Epochs = (maxBytes: number) =>
        Effect.gen(function* () {
          opened = 0
          const kept = yield* cached(webdataset(dir), { maxBytes })
          for (const epoch of [0, 1, 2]) yield* all(kept, shuffled(5, 5), epoch)
          return opened
        }).pipe(Effect.provideService(FileSystem.FileSystem, counting))
      expect(yield* openedIn3Epochs(1e9)).toBe(3)
      expect(yield* openedIn3Epochs(0)).toBe(9)
      // The first window of five holds one whole shard: it alone is not opened again.
      expect(yield* openedIn3Epochs(5 * 6)).toBe(3 + 2 + 2)
    }))

  it.effect("keeps what a labelled one knows besides", () =>
    Effect.gen(function* () {
      const dir = yield* directory
      yield* writeShards(dir, [{ key: "a", members: { png: picture(1), cls: text("1") } }, { ...sampleOf(2) }])
      yield* writeFile(text("cat\ndog"), dir, "classnames.txt")
      yield* writeFile(text("a {}."), dir, "templates.txt")
      const kept = yield* cached(yield* labelled(dir, { onBadSample: { policy: "skip", ceiling: 1 } }))
      expect(kept).toMatchObject({ classNames: ["cat", "dog"], templates: ["a {}."], numSamples: 2 })
      const windows = yield* Stream.runCollect(kept.windows(shuffled(1, 9), start))
      expect(windows.flat().map(({ label }) => label)).toEqual([1])
    }))
})
