import { Effect, Exit, Fiber, Layer, Stream } from "effect"
import fc from "fast-check"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import type { Cursor, ImageText } from "../../lib/api/index.ts"
import { batches, makeSkipLedger, SampleError, sampleWindows, Skipping, windowsOf } from "../../lib/data/index.ts"
import type { OnBadSample, SkipLedger, SkippedSample, StoredDataset } from "../../lib/data/index.ts"
import { Progress, silentProgress } from "../../lib/track/index.ts"
import { Pipeline, type TrainConfigInput } from "../../pipelines/index.ts"
import { live } from "../../pipelines/node.ts"
import { samples, temporary, tinyConfig, tinyModel } from "./tiny.ts"

/** The forty pictures in four shards; those whose key is in `bad` when they are asked for cannot be read. */
const pairs = (
  bad: ReadonlySet<string>,
  onBadSample: OnBadSample = { policy: "fail" },
  concurrency = 3
): StoredDataset<ImageText, never, SampleError, never> => {
  const slotOf = (shard: string) => (sample: ImageText) => ({
    key: sample.key,
    decode: Effect.suspend(() => {
      const delayed = Effect.andThen(Effect.yieldNow, Effect.yieldNow)
      if (!bad.has(sample.key)) return sample.key.endsWith("3") ? Effect.as(delayed, sample) : Effect.succeed(sample)
      const message = `sample ${sample.key} of ${shard} is bad`
      return Effect.fail(new SampleError({ shard, key: sample.key, reason: "badImage", message }))
    })
  })
  const shards = Array.from({ length: 4 }, (_, i) => ({ path: `data/${i}.tar`, numSamples: 10 }))
  const source = {
    name: "pairs",
    shards: Effect.succeed(shards),
    read: ({ path }: { readonly path: string }) => {
      const first = 10 * shards.findIndex((shard) => shard.path === path)
      return Stream.fromIterable(samples.slice(first, first + 10).map(slotOf(path)))
    }
  }
  return windowsOf(source, sampleWindows({ concurrency, onBadSample }), 40)
}

const skip = (ceiling: number): OnBadSample => ({ policy: "skip", ceiling })

describe("the ledger of skipped samples", () => {
  interface Read {
    readonly keys: ReadonlyArray<string>
    readonly cursor: Cursor
    /** What was on record when the batch was delivered. */
    readonly recorded: ReadonlyArray<SkippedSample>
  }
  const read = (
    dataset: StoredDataset<ImageText, never, SampleError, never>,
    ledger: SkipLedger,
    windowSize: number,
    from: Cursor,
    prefetch = 1
  ): Promise<Exit.Exit<ReadonlyArray<Read>, unknown>> =>
    Effect.runPromiseExit(
      batches(dataset, { seed: 5, windowSize, order: "shuffled" }, from, { batchSize: 4, epochs: 3, prefetch }).pipe(
        Stream.provideService(Skipping, ledger),
        Stream.map(({ cursor, samples }): Read => ({
          keys: samples.map(({ key }) => key),
          cursor,
          recorded: [...ledger.entries]
        })),
        Stream.runCollect
      )
    )
  const start: Cursor = { epoch: 0, delivered: 0 }
  const keysOf = fc.uniqueArray(fc.nat(39), { maxLength: 25 }).map((ids) => new Set(ids.map((i) => `sample-${i}`)))

  it("a resume at any batch equals the rest, though what was skipped can be read by then", async () => {
    await fc.assert(
      fc.asyncProperty(
        keysOf,
        fc.integer({ min: 1, max: 44 }),
        fc.nat(),
        fc.nat(3),
        async (bad, windowSize, pick, prefetch) => {
          const policy = { policy: "skip", ceiling: 1000 } as const
          const whole = makeSkipLedger(policy)
          const exit = await read(pairs(bad), whole, windowSize, start, prefetch)
          if (Exit.isFailure(exit)) throw exit.cause
          const stopped = exit.value[pick % exit.value.length]
          if (stopped === undefined) throw new Error("no batch")
          // The samples that were skipped in the epoch of the stop are whole again.
          const epoch = stopped.recorded.filter((sample) => sample.epoch === stopped.cursor.epoch)
          const healed = new Set([...bad].filter((key) => !epoch.some((sample) => sample.key === key)))
          const resumed = makeSkipLedger(policy, stopped.recorded)
          const again = await read(pairs(healed), resumed, windowSize, stopped.cursor, prefetch)
          if (Exit.isFailure(again)) throw again.cause
          const rest = exit.value.slice(exit.value.indexOf(stopped) + 1)
          const sameEpoch = ({ cursor }: Read) => cursor.epoch === stopped.cursor.epoch
          const order = (reads: ReadonlyArray<Read>) =>
            reads.filter(sameEpoch).map(({ cursor, keys }) => ({ cursor, keys }))
          expect(order(again.value)).toEqual(order(rest))
          const entriesOf = ({ entries }: SkipLedger) =>
            entries.filter((sample) => sample.epoch === stopped.cursor.epoch)
          expect(entriesOf(resumed)).toEqual(entriesOf(whole))
        }
      ),
      { numRuns: 80 }
    )
  })

  it("order and records do not depend on how many samples are decoded at a time, nor on reading ahead", async () => {
    await fc.assert(
      fc.asyncProperty(keysOf, fc.integer({ min: 1, max: 20 }), async (bad, concurrency) => {
        const read1 = async (concurrency: number, prefetch: number) => {
          const ledger = makeSkipLedger({ policy: "skip", ceiling: 1000 })
          const exit = await read(pairs(bad, { policy: "fail" }, concurrency), ledger, 9, start, prefetch)
          return [Exit.isSuccess(exit) ? exit.value.map(({ keys }) => keys) : [], ledger.entries]
        }
        expect(await read1(concurrency, 3)).toEqual(await read1(1, 0))
      }),
      { numRuns: 20 }
    )
  })

  it("counts an epoch's skipped samples on over a resume, until the ceiling", async () => {
    const bad = new Set(["sample-1", "sample-11", "sample-21", "sample-31"])
    const [all, strict] = [
      makeSkipLedger({ policy: "skip", ceiling: 4 }),
      makeSkipLedger({ policy: "skip", ceiling: 3 })
    ]
    expect(Exit.isSuccess(await read(pairs(bad), all, 10, start))).toBe(true)
    expect(all.count("pairs", 0)).toBe(4)
    expect(Exit.isFailure(await read(pairs(bad), strict, 10, start))).toBe(true)
    expect(strict.count("pairs", 0)).toBe(3)
    const half = all.entries.slice(0, 2)
    const from = { epoch: 0, delivered: 20 }
    for (const [ceiling, isEnough] of [[3, false], [4, true]] as const) {
      const resumed = makeSkipLedger({ policy: "skip", ceiling }, half)
      expect(Exit.isSuccess(await read(pairs(bad), resumed, 10, from))).toBe(isEnough)
    }
  })

  it("overrules what the data set says, unless it leaves that to the data set", async () => {
    const bad = new Set(["sample-7"])
    const outcome = async (own: OnBadSample, policy: Parameters<typeof makeSkipLedger>[0]) =>
      Exit.isSuccess(await read(pairs(bad, own), makeSkipLedger(policy), 10, start))
    expect(await outcome({ policy: "fail" }, { policy: "dataset" })).toBe(false)
    expect(await outcome({ policy: "fail" }, { policy: "skip", ceiling: 1 })).toBe(true)
    expect(await outcome(skip(1), { policy: "dataset" })).toBe(true)
    expect(await outcome(skip(1), { policy: "fail" })).toBe(false)
  })
})

describe("training on data with bad samples", () => {
  /** Three epochs of two steps. */
  const config = (ceiling: number, steps = 6): TrainConfigInput => ({
    ...tinyConfig,
    length: { steps },
    schedule: { peak: 1e-3, warmup: { steps: 1 } },
    checkpoint: { every: 2 },
    data: { windowSize: 12, prefetch: 2, onBadSample: { policy: "skip", ceiling } }
  })
  const notes: Array<string> = []
  const noting = Layer.effect(
    Progress,
    Effect.map(Progress, (silent) => ({ ...silent, note: (text: string) => Effect.sync(() => void notes.push(text)) }))
  ).pipe(Layer.provide(silentProgress))
  const run = (
    dir: string,
    bad: ReadonlySet<string>,
    settings: TrainConfigInput,
    begin: "fresh" | "resume" = "fresh"
  ) =>
    Pipeline.train(tinyModel, pairs(bad), settings).pipe(
      Effect.scoped,
      Effect.provide(noting),
      Effect.provide(live({ dir, begin, progress: "silent" }))
    )
  const weights = (dir: string) => readFileSync(join(dir, "checkpoints", "step-6", "model.safetensors"))
  const recordsOf = (dir: string): ReadonlyArray<SkippedSample> =>
    readFileSync(join(dir, "skipped.jsonl"), "utf8").trim().split("\n").map((line): SkippedSample => JSON.parse(line))
  const errorOf = <A, E>(exit: Exit.Exit<A, E>): unknown =>
    Exit.isFailure(exit) ?
      exit.cause.reasons.map((reason) => ("error" in reason ? reason.error : reason))[0] :
      undefined

  /** Interrupts a run once its log has so many lines. */
  const stopAfter = (dir: string, bad: ReadonlySet<string>, settings: TrainConfigInput, lines: number) =>
    Effect.runPromise(Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(run(dir, bad, settings))
      const log = join(dir, "log.jsonl")
      const isShort = () => !existsSync(log) || readFileSync(log, "utf8").split("\n").length <= lines
      while (isShort() && fiber.pollUnsafe() === undefined) yield* Effect.sleep("1 millis")
      yield* Fiber.interrupt(fiber)
    }))

  /** Without what was read ahead for epochs that the run does not reach: how far that is depends on the time. */
  const inRun = (records: ReadonlyArray<SkippedSample>) => records.filter(({ epoch }) => epoch < 3)

  const bad = new Set(["sample-3", "sample-14", "sample-15", "sample-38"])

  it("records them, says how many, and a resumed run ends with the bits and records of the uninterrupted one", async () => {
    const whole = temporary()
    notes.length = 0
    await Effect.runPromise(run(whole, bad, config(4)))
    const records = recordsOf(whole)
    expect(new Set(records.map(({ key }) => key))).toEqual(bad)
    expect(records[0]).toMatchObject({ dataset: "pairs", epoch: 0, reason: "badImage" })
    expect(records[0]?.shard).toMatch(/^data\/\d\.tar$/)
    expect(notes.at(-1)).toContain(`${records.length} bad samples were skipped (badImage ${records.length})`)
    for (const lines of [1, 3]) {
      const dir = temporary()
      await stopAfter(dir, bad, config(4), lines)
      await Effect.runPromise(run(dir, bad, config(4), "resume"))
      expect(weights(dir)).toEqual(weights(whole))
      expect(inRun(recordsOf(dir))).toEqual(inRun(records))
    }
  })

  it("what was skipped stays skipped when it can be read again: the rest of the epoch is as it would have been", async () => {
    // Both steps are of the first epoch: 36 readable samples in micro-batches of 8, two a step.
    const [whole, dir] = [temporary(), temporary()]
    const short = config(4, 2)
    await Effect.runPromise(run(whole, bad, short))
    await stopAfter(dir, bad, short, 1)
    const healed = new Set([...bad].filter((key) => !recordsOf(dir).some((record) => record.key === key)))
    expect(healed.size).toBeLessThan(bad.size)
    await Effect.runPromise(run(dir, healed, short, "resume"))
    const last = (at: string) => readFileSync(join(at, "checkpoints", "step-2", "model.safetensors"))
    expect(last(dir)).toEqual(last(whole))
  })

  it("a sample that was used and cannot be read after the stop is an error, whatever the policy", async () => {
    const dir = temporary()
    const settings = { ...config(4), updateFreq: 1 }
    await stopAfter(dir, new Set(), settings, 1)
    // All that the window can have: whichever was used is among them.
    const lost = new Set(samples.map(({ key }) => key))
    const states = join(dir, "checkpoints")
    expect(existsSync(states)).toBe(true)
    const exit = await Effect.runPromiseExit(run(dir, lost, { ...settings, data: { ...config(100).data } }, "resume"))
    expect(errorOf(exit)).toMatchObject({ _tag: "DataChanged", dataset: "pairs", epoch: 0 })
    expect(String((errorOf(exit) as Error).message)).toContain("bad samples were skipped")
    const failing = { ...settings, data: { ...config(1).data, onBadSample: { policy: "fail" as const } } }
    expect(errorOf(await Effect.runPromiseExit(run(dir, lost, failing, "resume")))).toMatchObject({
      reason: "badImage"
    })
    await Effect.runPromise(run(dir, new Set(), settings, "resume"))
  })

  it("the ceiling stops the run with the state saved, and a higher one lets it go on", async () => {
    const dir = temporary()
    const exit = await Effect.runPromiseExit(run(dir, bad, config(3)))
    expect(errorOf(exit)).toMatchObject({ _tag: "SampleError", reason: "tooManySkipped" })
    const again = await Effect.runPromiseExit(run(dir, bad, config(3), "resume"))
    expect(errorOf(again)).toMatchObject({ _tag: "SampleError", reason: "tooManySkipped" })
    await Effect.runPromise(run(dir, bad, config(4), "resume"))
    const whole = temporary()
    await Effect.runPromise(run(whole, bad, config(4)))
    expect(weights(dir)).toEqual(weights(whole))
  })

  it("records that are missing or torn are an error at the resume, and lines after the checkpoint are cut", async () => {
    const dir = temporary()
    await stopAfter(dir, bad, config(4), 2)
    const file = join(dir, "skipped.jsonl")
    const text = readFileSync(file, "utf8")
    for (const broken of ["", text.slice(0, -2), text.replace('"place"', '"plaice"')]) {
      writeFileSync(file, broken)
      const exit = await Effect.runPromiseExit(run(dir, bad, config(4), "resume"))
      expect(errorOf(exit)).toMatchObject({ _tag: "CheckpointError", reason: "malformed", file })
    }
    writeFileSync(file, text + text.split("\n")[0]?.replace('"epoch":0', '"epoch":99') + "\nnot even JSON")
    await Effect.runPromise(run(dir, bad, config(4), "resume"))
    expect(recordsOf(dir).some(({ epoch }) => epoch === 99)).toBe(false)
  })
})
