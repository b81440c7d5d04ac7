import { layer } from "@effect/vitest"
import { Effect, Exit, Fiber, FileSystem, Stream } from "effect"
import fc from "fast-check"
import { describe, expect, it as test } from "vitest"
import type { Cursor, Dataset, EpochPlan } from "../../lib/api/index.ts"
import { batches, Dataset as DatasetOf, fromArray, webdataset, windowsOf, writeShards } from "../../lib/data/index.ts"
import type { BatchOptions } from "../../lib/data/index.ts"
import { directory, samplesOf, sequential, services, shuffled, start } from "./files.ts"

interface Item {
  readonly key: string
}

const itemsOf = (count: number): ReadonlyArray<Item> => Array.from({ length: count }, (_, i) => ({ key: String(i) }))

/** `count` samples of which those that are bad are skipped. */
const skipping = (count: number, isBad: (i: number) => boolean): Dataset<Item, "bad"> => {
  const slots = itemsOf(count).map((item, i) => ({
    key: item.key,
    decode: isBad(i) ? Effect.fail("bad" as const) : Effect.succeed(item)
  }))
  const source = {
    name: "skipping",
    shards: Effect.succeed([{ path: "a", numSamples: count }]),
    read: () => Stream.fromArray(slots)
  }
  const onBadSample = {
    policy: "skip",
    ceiling: Infinity,
    report: () => Effect.void,
    overCeiling: (last: "bad") => last
  } as const
  return windowsOf<Item, never, "bad", never>(source, { concurrency: 2, onBadSample })
}

interface Flat {
  readonly keys: ReadonlyArray<string>
  readonly cursor: Cursor
}

const collect = <E>(dataset: Dataset<Item, E>, plan: EpochPlan, from: Cursor, options: BatchOptions) =>
  Stream.runCollect(
    Stream.map(batches(dataset, plan, from, options), ({ cursor, samples }): Flat => ({
      keys: samples.map(({ key }) => key),
      cursor
    }))
  )

describe("batches", () => {
  test("are full within an epoch, drop what is left, and go on in the next epoch", async () => {
    const out = await Effect.runPromise(
      collect(fromArray("ten", itemsOf(10)), sequential(4), start, { batchSize: 3, epochs: 2 })
    )
    expect(out.map(({ keys }) => keys.join(""))).toEqual(["012", "345", "678", "012", "345", "678"])
    expect(out.map(({ cursor }) => [cursor.epoch, cursor.delivered])).toEqual([[0, 3], [0, 6], [0, 9], [1, 3], [1, 6], [
      1,
      9
    ]])
  })

  test("with lastBatch keep, nothing of an epoch is left out", async () => {
    const out = await Effect.runPromise(
      collect(fromArray("ten", itemsOf(10)), sequential(4), start, { batchSize: 3, epochs: 1, lastBatch: "keep" })
    )
    expect(out.map(({ keys }) => keys.join(""))).toEqual(["012", "345", "678", "9"])
    expect(out.at(-1)?.cursor).toEqual({ epoch: 0, delivered: 10 })
  })

  test("without epochs they never end", async () => {
    const taken = batches(fromArray("three", itemsOf(3)), shuffled(1, 2), start, { batchSize: 3 }).pipe(Stream.take(50))
    expect((await Effect.runPromise(Stream.runCollect(taken))).at(-1)?.cursor.epoch).toBe(49)
  })

  test("from the cursor of any batch on are the batches after it, skipped samples and all settings included", async () => {
    const settings = fc.record({
      count: fc.integer({ min: 1, max: 40 }),
      windowSize: fc.integer({ min: 1, max: 20 }),
      batchSize: fc.integer({ min: 1, max: 12 }),
      prefetch: fc.nat(4),
      lastBatch: fc.constantFrom("drop" as const, "keep" as const),
      seed: fc.nat(),
      everyBad: fc.integer({ min: 2, max: 50 })
    })
    await fc.assert(
      fc.asyncProperty(settings, fc.nat(), async ({ count, everyBad, seed, windowSize, ...rest }, pick) => {
        const dataset = skipping(count, (i) => i % everyBad === everyBad - 1)
        const [plan, options] = [shuffled(seed, windowSize), { ...rest, epochs: 3 }]
        const exit = await Effect.runPromise(Effect.exit(collect(dataset, plan, start, options)))
        if (Exit.isFailure(exit)) return // fewer samples than a batch
        const all = exit.value
        const at = pick % all.length
        const cursor = all[at]?.cursor ?? start
        expect(await Effect.runPromise(collect(dataset, plan, cursor, options))).toEqual(all.slice(at + 1))
      }),
      { numRuns: 80 }
    )
  })

  test("a cursor in the middle of a batch continues with the very next sample", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(39), fc.integer({ min: 1, max: 50 }), async (delivered, windowSize) => {
        const [dataset, plan] = [fromArray("forty", itemsOf(40)), shuffled(5, windowSize)]
        const options = { batchSize: 4, epochs: 1, lastBatch: "keep" } as const
        const keysFrom = async (from: Cursor) =>
          (await Effect.runPromise(collect(dataset, plan, from, options))).flatMap(({ keys }) => keys)
        expect(await keysFrom({ epoch: 0, delivered })).toEqual((await keysFrom(start)).slice(delivered))
      }),
      { numRuns: 40 }
    )
  })

  test("an epoch without a batch fails instead of running for ever", async () => {
    const three = fromArray("three", itemsOf(3))
    const error = await Effect.runPromise(Effect.flip(collect(three, sequential(8), start, { batchSize: 4 })))
    expect(error).toMatchObject({ _tag: "EpochTooSmall", dataset: "three", numSamples: 3, batchSize: 4 })
    const late = collect(three, sequential(8), { epoch: 0, delivered: 2 }, { batchSize: 4 })
    expect(await Effect.runPromise(Effect.flip(late))).toMatchObject({ _tag: "EpochTooSmall", epoch: 1 })
  })

  test("an epoch with fewer batches than minBatches fails once it is read, and says both numbers", async () => {
    const ten = fromArray("ten", itemsOf(10))
    const options = { batchSize: 3, epochs: 2, minBatches: 4 }
    const error = await Effect.runPromise(Effect.flip(collect(ten, sequential(4), start, options)))
    expect(error).toMatchObject({ _tag: "EpochTooSmall", epoch: 0, numSamples: 10, batchSize: 3 })
    expect(error.message).toContain('4 batches of 3 samples in an epoch of "ten", got 3 batches from 10 samples')
    const enough = await Effect.runPromise(collect(ten, sequential(4), start, { ...options, lastBatch: "keep" }))
    expect(enough).toHaveLength(8)
    const rest = collect(ten, sequential(4), { epoch: 1, delivered: 6 }, options) // only a whole epoch is judged
    expect(await Effect.runPromise(rest)).toHaveLength(1)
    expect(() => batches(ten, sequential(4), start, { batchSize: 3, minBatches: 0 })).toThrow("minBatches >= 1, got 0")
  })

  test("what has not become a batch when reading fails is not handed out as one", async () => {
    const ten = fromArray("ten", itemsOf(10))
    const broken: Dataset<Item, "broken"> = {
      name: "broken",
      windows: (plan, from) => Stream.concat(ten.windows(plan, from), Stream.fail("broken" as const))
    }
    const seen: Array<number> = []
    const all = batches(broken, sequential(5), start, { batchSize: 4, lastBatch: "keep" })
    const run = Stream.runForEach(all, ({ samples }) => Effect.sync(() => void seen.push(samples.length)))
    expect(await Effect.runPromise(Effect.flip(run))).toBe("broken")
    expect(seen).toEqual([4, 4])
  })

  test("mapped samples keep their order and places", async () => {
    const shout = DatasetOf.map(fromArray("ten", itemsOf(10)), ({ key }) => ({ key: `${key}!` }))
    const out = await Effect.runPromise(collect(shout, sequential(4), start, { batchSize: 5, epochs: 1 }))
    expect(out[1]?.keys).toEqual(["5!", "6!", "7!", "8!", "9!"])
    expect(shout.numSamples).toBe(10)
  })
})

describe("prefetch", () => {
  /** How far reading got ahead of a consumer that takes its time, in windows. */
  const aheadOf = async (windowSize: number, options: BatchOptions): Promise<number> => {
    let [made, done, most] = [0, 0, 0]
    const plain = fromArray("many", itemsOf(400))
    const counted: Dataset<Item> = {
      ...plain,
      windows: (plan, from) =>
        Stream.mapEffect(plain.windows(plan, from), (window) =>
          Effect.sync(() => {
            most = Math.max(most, ++made - done)
            return window
          }))
    }
    const batchesPerWindow = Math.max(1, windowSize / options.batchSize)
    let seen = 0
    await Effect.runPromise(
      batches(counted, sequential(windowSize), start, { ...options, epochs: 1 }).pipe(
        Stream.runForEach(() =>
          Effect.gen(function* () {
            for (let i = 0; i < 20; i++) yield* Effect.yieldNow
            if (++seen % batchesPerWindow === 0) done++
          })
        )
      )
    )
    expect(made).toBe(Math.ceil(400 / windowSize))
    return most
  }

  test("a slow consumer suspends the producer: the window in use, those ahead, and no more", async () => {
    // In use 1, ahead ceil(prefetch / batches per window), and one that starts while another is handed over.
    expect(await aheadOf(10, { batchSize: 10, prefetch: 0 })).toBe(1)
    expect(await aheadOf(10, { batchSize: 10, prefetch: 1 })).toBeLessThanOrEqual(2)
    expect(await aheadOf(10, { batchSize: 10, prefetch: 3 })).toBeLessThanOrEqual(4)
    expect(await aheadOf(20, { batchSize: 10, prefetch: 2 })).toBeLessThanOrEqual(2)
    expect(await aheadOf(100, { batchSize: 10, prefetch: 2 })).toBeLessThanOrEqual(2)
    expect(await aheadOf(10, { batchSize: 10, prefetch: 3 })).toBeGreaterThan(2)
  })
})

layer(services)("files", (it) => {
  it.effect("are closed when the batches end, fail, or are interrupted in the middle of a shard", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const dir = yield* directory
      yield* writeShards(dir, samplesOf(40), { samplesPerShard: 20 })
      let [opened, open] = [0, 0]
      const counting: FileSystem.FileSystem = {
        ...fs,
        stream: (path, options) =>
          Stream.unwrap(Effect.sync(() => {
            opened++
            open++
            return Stream.ensuring(fs.stream(path, options), Effect.sync(() => open--))
          }))
      }
      const plan = shuffled(1, 4)
      const run = (options: BatchOptions) => batches(webdataset(dir), plan, start, options)
      const counted = Effect.provideService(FileSystem.FileSystem, counting)
      yield* counted(Stream.runDrain(run({ batchSize: 4, epochs: 2 })))
      expect([opened, open]).toEqual([4, 0])
      yield* counted(Stream.runDrain(Stream.take(run({ batchSize: 4 }), 2)))
      expect(open).toBe(0)
      yield* counted(Effect.flip(Stream.runForEach(run({ batchSize: 4 }), () => Effect.fail("stop"))))
      expect(open).toBe(0)
      const fiber = yield* Effect.forkChild(counted(Stream.runForEach(run({ batchSize: 4 }), () => Effect.never)))
      while (open === 0) yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 5)))
      yield* Fiber.interrupt(fiber)
      expect(open).toBe(0)
    }))
})
