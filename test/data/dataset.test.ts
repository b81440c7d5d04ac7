import { Effect, Exit, Stream } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Cursor, Dataset as DatasetOf, EpochPlan } from "../../lib/api/index.ts"
import { batches, cached, Dataset, fromArray, largestRemainder, windowsOf } from "../../lib/data/index.ts"
import { sequential, shuffled, start } from "./files.ts"

interface Item {
  readonly key: string
}

const items = (name: string, count: number): ReadonlyArray<Item> =>
  Array.from({ length: count }, (_, i) => ({ key: `${name}${i}` }))
const set = (name: string, count: number) => fromArray(name, items(name, count))

/** A data set in shards of a size, some of whose samples are skipped. */
const skipping = (name: string, count: number, everyBad: number, concurrency: number) => {
  const slots = items(name, count).map((item, i) => ({
    key: item.key,
    decode: i % everyBad === everyBad - 1 ? Effect.fail("bad" as const) : Effect.succeed(item)
  }))
  const shards = Array.from({ length: Math.ceil(count / 5) }, (_, i) => ({
    path: `${i}`,
    numSamples: Math.min(5, count - 5 * i)
  }))
  const source = {
    name,
    shards: Effect.succeed(shards),
    read: ({ path }: { readonly path: string }) => Stream.fromArray(slots.slice(5 * Number(path), 5 * Number(path) + 5))
  }
  const onBadSample = {
    policy: "skip",
    ceiling: Infinity,
    report: () => Effect.void,
    overCeiling: (last: "bad") => last
  } as const
  const dataset = windowsOf<Item, never, "bad", never>(source, { concurrency, onBadSample }, count)
  return { ...dataset, numSamples: count }
}

const keysOf = <E>(dataset: DatasetOf<Item, E>, plan: EpochPlan, from: Cursor, epochs = from.epoch + 1) =>
  Effect.runPromise(
    Effect.map(
      Stream.runCollect(batches(dataset, plan, from, { batchSize: 3, epochs, lastBatch: "keep" })),
      (all) => all.flatMap(({ samples }) => samples.map(({ key }) => key))
    )
  )

/** Each batch's keys and cursor. */
const flatBatches = <E>(
  dataset: DatasetOf<Item, E>,
  plan: EpochPlan,
  from: Cursor,
  batchSize: number,
  epochs: number
) =>
  Effect.runPromiseExit(
    Stream.runCollect(
      Stream.map(batches(dataset, plan, from, { batchSize, epochs }), ({ cursor, samples }) => ({
        keys: samples.map(({ key }) => key),
        cursor
      }))
    )
  )

const countBy = (keys: ReadonlyArray<string>): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1)
  return counts
}

const fingerprint = <E>(dataset: DatasetOf<unknown, E>): Promise<string> =>
  Effect.runPromise(Effect.orDie(dataset.fingerprint ?? Effect.die("none")))

describe("largestRemainder", () => {
  it("gives whole numbers whose sum is the total, each within one of its quota", () => {
    const weights = fc.array(fc.double({ min: 0, max: 100, noNaN: true }), { minLength: 1, maxLength: 6 })
    fc.assert(fc.property(weights, fc.nat(1_000_000), (shares, total) => {
      const sum = shares.reduce((a, b) => a + b, 0)
      fc.pre(sum > 1e-9)
      const counts = largestRemainder(shares, total)
      expect(counts.reduce((a, b) => a + b, 0)).toBe(total)
      counts.forEach((count, i) => expect(Math.abs(count - (shares[i] ?? 0) / sum * total)).toBeLessThan(1 + 1e-6))
    }))
    expect(largestRemainder([0.7, 0.3], 10)).toEqual([7, 3])
    expect(largestRemainder([1, 1, 1], 10)).toEqual([4, 3, 3])
    expect(() => largestRemainder([0, 0], 10)).toThrow("weights")
    expect(() => largestRemainder([2, -1], 10)).toThrow("weights")
  })
})

describe("Dataset.mixture", () => {
  it("delivers each part as often as its weight says, in every epoch, and goes through a part before it repeats", async () => {
    const settings = fc.record({
      sizes: fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 4 }),
      weights: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 4, maxLength: 4 }),
      numSamples: fc.integer({ min: 4, max: 60 }),
      windowSize: fc.integer({ min: 1, max: 25 }),
      seed: fc.nat(1000),
      order: fc.constantFrom("shuffled" as const, "sequential" as const)
    })
    await fc.assert(
      fc.asyncProperty(settings, async ({ numSamples, order, seed, sizes, weights, windowSize }) => {
        const names = ["a", "b", "c", "d"]
        const parts = sizes.map((size, i) => ({ dataset: set(names[i] ?? "", size), weight: weights[i] ?? 1 }))
        const mixed = Dataset.mixture(parts, { numSamples })
        expect(mixed.numSamples).toBe(numSamples)
        const counts = largestRemainder(parts.map(({ weight }) => weight), numSamples)
        const plan: EpochPlan = { seed, windowSize, order }
        const seen: Array<string> = []
        for (let epoch = 0; epoch < 3; epoch++) {
          const keys = await keysOf(mixed, plan, { epoch, delivered: 0 })
          expect(counts.map((_, i) => keys.filter((key) => key.startsWith(names[i] ?? "?")).length)).toEqual(counts)
          seen.push(...keys)
        }
        const often = countBy(seen)
        sizes.forEach((size, i) => {
          const all = 3 * (counts[i] ?? 0)
          for (const { key } of items(names[i] ?? "", size)) {
            const times = often.get(key) ?? 0
            expect(times === Math.floor(all / size) || times === Math.ceil(all / size)).toBe(true)
          }
        })
      }),
      { numRuns: 60 }
    )
  })

  it("from the cursor of any batch on gives the batches after it, skipped samples and all settings included", async () => {
    const settings = fc.record({
      first: fc.integer({ min: 1, max: 40 }),
      second: fc.integer({ min: 1, max: 20 }),
      weight: fc.integer({ min: 1, max: 9 }),
      windowSize: fc.integer({ min: 1, max: 20 }),
      batchSize: fc.integer({ min: 1, max: 9 }),
      seed: fc.nat(),
      everyBad: fc.integer({ min: 2, max: 20 }),
      kind: fc.constantFrom("mixture" as const, "concat" as const)
    })
    await fc.assert(
      fc.asyncProperty(
        settings,
        fc.nat(),
        async ({ batchSize, everyBad, first, kind, second, seed, weight, windowSize }, pick) => {
          const make = (concurrency: number) => {
            const parts = [
              skipping("a", first, everyBad, concurrency),
              skipping("b", second, everyBad + 1, concurrency)
            ] as const
            return kind === "concat" ?
              Dataset.concat(...parts) :
              Dataset.mixture([{ dataset: parts[0], weight }, { dataset: parts[1], weight: 3 }])
          }
          const plan = shuffled(seed, windowSize)
          const exit = await flatBatches(make(1), plan, start, batchSize, 3)
          if (Exit.isFailure(exit)) return // fewer samples than a batch
          const all = exit.value
          const at = pick % all.length
          const rest = await flatBatches(make(5), plan, all[at]?.cursor ?? start, batchSize, 3)
          expect(rest).toEqual(Exit.succeed(all.slice(at + 1)))
        }
      ),
      { numRuns: 60 }
    )
  })

  it("has the shares in every stretch of an epoch, not on the average only", async () => {
    const mixed = Dataset.mixture([{ dataset: set("a", 100), weight: 3 }, { dataset: set("b", 100), weight: 1 }])
    const keys = await keysOf(mixed, shuffled(1, 40), start)
    for (let at = 0; at + 8 <= keys.length; at += 8) {
      expect(keys.slice(at, at + 8).filter((key) => key.startsWith("b"))).toHaveLength(2)
    }
  })

  it("fails with SizeError for a part that has another number of samples than it says", async () => {
    for (const claimed of [5, 30]) {
      const lying = { ...set("a", 12), numSamples: claimed }
      const mixed = Dataset.mixture([{ dataset: lying, weight: 1 }], { numSamples: 60 })
      const error = await Effect.runPromise(Effect.flip(Stream.runDrain(mixed.windows(shuffled(1, 4), start))))
      expect(error).toMatchObject({ _tag: "SizeError", dataset: "a", numSamples: claimed })
    }
  })

  it("may leave a part out, and refuses one that is empty", async () => {
    const none = Dataset.mixture([{ dataset: set("a", 4), weight: 1 }, { dataset: set("b", 0), weight: 0 }])
    expect(await keysOf(none, sequential(9), start)).toEqual(["a0", "a1", "a2", "a3"])
    expect(() => Dataset.mixture([{ dataset: set("b", 0), weight: 1 }], { numSamples: 3 })).toThrow("expected samples")
  })

  it("has a fingerprint of its parts and their counts, and asks each of them whether it is there", async () => {
    const mix = (size: number, weight: number) =>
      Dataset.mixture([{ dataset: set("a", size), weight: 1 }, { dataset: set("b", 8), weight }], { numSamples: 20 })
    const one = await fingerprint(mix(9, 1))
    expect(await fingerprint(mix(9, 1))).toBe(one)
    expect(await fingerprint(mix(10, 1))).not.toBe(one)
    expect(await fingerprint(mix(9, 2))).not.toBe(one)
    const gone = { ...set("a", 3), check: Effect.fail("gone" as const) }
    const check = Dataset.concat(set("b", 2), gone).check ?? Effect.void
    expect(await Effect.runPromise(Effect.flip(check))).toBe("gone")
  })
})

describe("Dataset.concat", () => {
  it("has the stored order of its parts, and each sample once in any shuffled epoch", async () => {
    const all = Dataset.concat(set("a", 7), set("b", 2), set("c", 5))
    const expected = [...items("a", 7), ...items("b", 2), ...items("c", 5)].map(({ key }) => key)
    expect(all.numSamples).toBe(14)
    for (const windowSize of [1, 3, 100]) expect(await keysOf(all, sequential(windowSize), start)).toEqual(expected)
    for (let epoch = 0; epoch < 3; epoch++) {
      const keys = await keysOf(all, shuffled(4, 5), { epoch, delivered: 0 })
      expect(keys).not.toEqual(expected)
      expect(keys.toSorted()).toEqual(expected.toSorted())
    }
  })

  it("of one part in one window is that part", async () => {
    const one = set("a", 20)
    expect(await keysOf(Dataset.concat(one), shuffled(2, 20), start)).toEqual(await keysOf(one, shuffled(2, 20), start))
  })
})

describe("Dataset.take", () => {
  it("is the same samples in every epoch, in shuffled order, across shards", async () => {
    const taken = Dataset.take(skipping("a", 23, 100, 2), 12)
    expect(taken.numSamples).toBe(12)
    const expected = items("a", 12).map(({ key }) => key).toSorted()
    for (let epoch = 0; epoch < 3; epoch++) {
      expect((await keysOf(taken, shuffled(9, 4), { epoch, delivered: 0 })).toSorted()).toEqual(expected)
    }
    expect(await keysOf(taken, sequential(4), start)).toEqual(items("a", 12).map(({ key }) => key))
    expect(await keysOf(Dataset.take(taken, 3), sequential(4), start)).toEqual(["a0", "a1", "a2"])
  })

  it("counts shards whose sizes are not known, as far as it needs them", async () => {
    const { options, source } = skipping("a", 23, 100, 1)
    let numRead = 0
    const unknown = windowsOf<Item, never, "bad", never>({
      ...source,
      shards: Effect.map(source.shards, (shards) => shards.map(({ path }) => ({ path }))),
      read: (shard) => {
        numRead++
        return source.read(shard)
      }
    }, options)
    expect((await keysOf(Dataset.take(unknown, 7), shuffled(1, 3), start)).toSorted()).toEqual(
      items("a", 7).map(({ key }) => key)
    )
    expect(numRead).toBe(4) // two counted, two read
  })

  it("of more than there are is all of them", async () => {
    const taken = Dataset.take(set("a", 3), 10)
    expect(taken.numSamples).toBe(3)
    expect(await keysOf(taken, sequential(4), start)).toEqual(["a0", "a1", "a2"])
    expect(() => Dataset.take(set("a", 3), -1)).toThrow("whole number")
  })

  it("has another fingerprint than the whole", async () => {
    expect(await fingerprint(Dataset.take(set("a", 9), 5))).not.toBe(await fingerprint(set("a", 9)))
  })
})

describe("Dataset.map and filter", () => {
  it("map keeps order, places, number, source, labels and fingerprint", async () => {
    const labelled = { ...set("a", 10), classNames: ["x"], templates: ["{}"] }
    const mapped = Dataset.map(labelled, ({ key }) => ({ key: `${key}!` }))
    expect(await keysOf(mapped, shuffled(3, 4), start)).toEqual(
      (await keysOf(labelled, shuffled(3, 4), start)).map((key) => `${key}!`)
    )
    expect([mapped.numSamples, mapped.classNames]).toEqual([10, ["x"]])
    expect(await fingerprint(mapped)).toBe(await fingerprint(labelled))
    expect(await keysOf(Dataset.take(mapped, 2), sequential(3), start)).toEqual(["a0!", "a1!"])
    const plain: DatasetOf<Item> = { name: "plain", windows: labelled.windows }
    expect(await keysOf(Dataset.map(plain, ({ key }) => ({ key: `${key}?` })), sequential(20), start)).toContain("a9?")
  })

  it("filter drops what the predicate refuses and leaves all else where it was", async () => {
    const even = (item: Item) => Number(item.key.slice(1)) % 2 === 0
    const whole = await keysOf(set("a", 30), shuffled(5, 7), start)
    const filtered = Dataset.filter(set("a", 30), even)
    expect(await keysOf(filtered, shuffled(5, 7), start)).toEqual(whole.filter((key) => even({ key })))
    expect("numSamples" in filtered || "source" in filtered).toBe(false)
    expect(Dataset.filter(set("a", 30), even, { numSamples: 15 }).numSamples).toBe(15)
  })

  it("a filtered set that says its number loses nothing in a blend, nested, mapped and filtered again", async () => {
    const isEven = ({ key }: Item) => Number(key.slice(1)) % 2 === 0
    const half = Dataset.filter(set("a", 100), isEven, { numSamples: 50 })
    const quarter = Dataset.filter(
      Dataset.map(half, (item) => item),
      ({ key }) => Number(key.slice(1)) % 4 === 0,
      { numSamples: 25 }
    )
    const inner = Dataset.concat(quarter, set("b", 40))
    const all = Dataset.concat(half, inner, set("c", 100))
    expect([half.numPlaces, quarter.numPlaces, inner.numSamples, all.numSamples]).toEqual([100, 100, 65, 215])
    for (const plan of [shuffled(3, 10), sequential(10)]) {
      for (const epoch of [0, 1]) {
        const often = countBy(await keysOf(all, plan, { epoch, delivered: 0 }))
        expect([...often.values()].reduce((sum, n) => sum + n, 0)).toBe(215)
        expect(often.size).toBe(50 + 40 + 100)
      }
    }
    const mixed = Dataset.mixture([{ dataset: half, weight: 1 }, { dataset: set("c", 100), weight: 1 }])
    expect(mixed.numSamples).toBe(150)
    expect(await keysOf(mixed, shuffled(3, 10), start)).toHaveLength(150)
    const batchesOf = (from: Cursor) => flatBatches(all, shuffled(8, 10), from, 4, 2)
    const whole = await batchesOf(start)
    if (Exit.isFailure(whole)) throw new Error("none")
    for (const at of [3, 31, 60]) {
      expect(await batchesOf(whole.value[at]?.cursor ?? start)).toEqual(Exit.succeed(whole.value.slice(at + 1)))
    }
  })

  it("filter keeps the suffix property", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 2, max: 40 }),
        fc.integer({ min: 1, max: 12 }),
        fc.nat(),
        async (count, windowSize, pick) => {
          const filtered = Dataset.filter(set("a", count), ({ key }) => Number(key.slice(1)) % 3 !== 0)
          const all = await flatBatches(filtered, shuffled(8, windowSize), start, 1, 2)
          if (Exit.isFailure(all)) throw new Error("none")
          const at = pick % all.value.length
          const rest = await flatBatches(filtered, shuffled(8, windowSize), all.value[at]?.cursor ?? start, 1, 2)
          expect(rest).toEqual(Exit.succeed(all.value.slice(at + 1)))
        }
      ),
      { numRuns: 30 }
    )
  })

  it("the compiler refuses to take from or mix what cannot be, and says why", () => {
    const filtered = Dataset.filter(set("a", 3), () => true)
    const refused = [
      // @ts-expect-error take needs a data set that knows its source
      () => Dataset.take(filtered, 2),
      // @ts-expect-error this data set does not say how many samples it has
      () => Dataset.concat(filtered, set("b", 2)),
      // @ts-expect-error the same in a mixture
      () => Dataset.mixture([{ dataset: filtered, weight: 1 }, { dataset: set("b", 2), weight: 1 }])
    ]
    expect(refused).toHaveLength(3)
    const { windows } = set("a", 3)
    const uncounted = Dataset.filter({ name: "a", windows }, () => true, { numSamples: 2 })
    // @ts-expect-error nothing says how many samples this data set had before filter
    expect(() => Dataset.concat(uncounted, set("b", 2))).toThrow("filter after mixing")
    const mixed: DatasetOf<Item | { readonly id: number }, unknown> = Dataset.concat(
      set("a", 1),
      Dataset.map(set("b", 1), ({ key }) => ({ id: key.length }))
    )
    expect(mixed.numSamples).toBe(2)
  })

  it("cached parts can be mixed", async () => {
    const image = { width: 1, height: 1, data: Uint8Array.of(1, 2, 3) }
    const pictures = fromArray("p", items("p", 4).map((item) => ({ ...item, image })))
    const kept = await Effect.runPromise(cached(pictures))
    expect(await keysOf(Dataset.concat(kept, kept), sequential(3), start)).toHaveLength(8)
  })
})
