import { layer } from "@effect/vitest"
import { Effect, FileSystem, Path, Stream } from "effect"
import { describe, expect } from "vitest"
import sharp from "sharp"
import { countSamples, labelled, openWebdataset, webdataset, writeShards } from "../../lib/data/index.ts"
import type { SampleError, StoredSample, WebDatasetOptions } from "../../lib/data/index.ts"
import {
  directory,
  nameOf,
  picture,
  readFile,
  sampleOf,
  samplesOf,
  sequential,
  services,
  shuffled,
  start
} from "./files.ts"
import { text, windowKeys, writeFile } from "./files.ts"

layer(services)("webdataset", (it) => {
  const read = (location: string, options: WebDatasetOptions = {}, windowSize = 4) =>
    Effect.map(Stream.runCollect(webdataset(location, options).windows(sequential(windowSize), start)), (w) => w.flat())
  const withShard = (samples: ReadonlyArray<StoredSample>) => Effect.tap(directory, (dir) => writeShards(dir, samples))
  const oneSample = (members: Readonly<Record<string, Uint8Array>>, options: WebDatasetOptions = {}) =>
    Effect.flatMap(withShard([{ key: "k", members }]), (dir) => read(dir, options))

  describe("samples", () => {
    it.effect("pictures and captions come back in stored order, from a directory as from a pattern", () =>
      Effect.gen(function* () {
        const [path, dir] = [yield* Path.Path, yield* directory]
        yield* writeShards(dir, samplesOf(7), { samplesPerShard: 3 })
        const samples = yield* read(dir)
        expect(samples.map(({ key }) => key)).toEqual(samplesOf(7).map(({ key }) => key))
        expect(samples[5]?.captions).toEqual(["picture 5"])
        expect(samples[5]?.image).toEqual({ width: 2, height: 1, data: Uint8Array.from([5, 0, 7, 1, 2, 3]) })
        expect(yield* read(path.join(dir, "{00000..00002}.tar"))).toEqual(samples)
        expect(yield* read(`${path.join(dir, "00002.tar")}::${path.join(dir, "00000.tar")}`)).toHaveLength(4)
      }))

    it.effect("each line of .txt that is not blank is a caption, and .json is read where there is no .txt", () =>
      Effect.gen(function* () {
        const png = picture(1)
        const captionsOf = (members: Readonly<Record<string, Uint8Array>>) =>
          Effect.map(oneSample({ png, ...members }), (samples) => samples[0]?.captions)
        expect(yield* captionsOf({ txt: text("a cat\r\n\n  \na dog \n") })).toEqual(["a cat", "a dog "])
        expect(yield* captionsOf({ json: text('{"captions":["a","b"],"caption":"c"}') })).toEqual(["a", "b"])
        expect(yield* captionsOf({ json: text('{"caption":"c","url":"u"}') })).toEqual(["c"])
        expect(yield* captionsOf({ json: text('{"caption":"c"}'), txt: text("t") })).toEqual(["t"])
      }))

    it.effect("an extension that comes twice begins a new sample, and foreign members are passed over", () =>
      Effect.gen(function* () {
        const [path, dir] = [yield* Path.Path, yield* directory]
        const two = [sampleOf(1), { key: "x", members: { npy: text("n"), ...sampleOf(2).members } }]
        yield* writeShards(dir, two)
        const first = yield* readFile(dir, "00000.tar")
        const [end, joined] = [first.length - 1024, new Uint8Array(first.length * 2 - 1024)]
        joined.set(first.subarray(0, end))
        joined.set(first, end)
        yield* writeFile(joined, dir, "twice.tar")
        expect((yield* read(path.join(dir, "twice.tar"))).map(({ key }) => key)).toEqual(["0001", "x", "0001", "x"])
      }))

    it.effect("what is wrong with a sample is a SampleError with shard, key, member and reason", () =>
      Effect.gen(function* () {
        const jpeg = new Uint8Array(
          yield* Effect.promise(() =>
            sharp(new Uint8Array(48 * 48 * 3), { raw: { width: 48, height: 48, channels: 3 } })
              .jpeg().toBuffer()
          )
        )
        const broken = Uint8Array.from(jpeg, (byte, i) => i > 2 ? 0xff : byte)
        const [png, txt] = [picture(1), text("t")]
        const limits = { maxBytes: 10_000, maxPixels: 100, maxTextBytes: 20 }
        const cases: ReadonlyArray<readonly [Readonly<Record<string, Uint8Array>>, Partial<SampleError>]> = [
          [{ txt }, { reason: "missingImage" }],
          [{ png }, { reason: "missingCaption" }],
          [{ png, txt: text(" \n") }, { reason: "missingCaption", member: "k.txt" }],
          [{ png, json: text("{}") }, { reason: "missingCaption", member: "k.json" }],
          [{ png, json: text("{") }, { reason: "badCaption", member: "k.json" }],
          [{ png, txt: Uint8Array.of(0xff, 0xfe, 0x41) }, { reason: "badCaption", member: "k.txt" }],
          [{ jpg: broken, txt }, { reason: "badImage", member: "k.jpg" }],
          [{ jpg: text("no picture"), txt }, { reason: "badImage", image: "unsupported" }],
          [{ jpg: jpeg, txt }, { reason: "badImage", image: "tooManyPixels" }],
          [{ png: new Uint8Array(10_001), txt }, { reason: "tooManyBytes", member: "k.png" }],
          [{ png, txt: text("t".repeat(21)) }, { reason: "tooManyBytes", member: "k.txt" }]
        ]
        for (const [members, expected] of cases) {
          const error = yield* Effect.flip(oneSample(members, { limits }))
          expect(error).toMatchObject({ _tag: "SampleError", key: "k", ...expected })
          expect(error.shard).toContain("00000.tar")
          expect(error.message).toContain("00000.tar")
        }
      }))
  })

  describe("bad samples", () => {
    const bad = (i: number): StoredSample => ({ key: nameOf(i), members: { png: picture(i) } })
    const mixed = Array.from({ length: 12 }, (_, i) => i % 5 === 3 ? bad(i) : sampleOf(i))

    it.effect("skipped ones are reported in order and leave all other samples in their windows", () =>
      Effect.gen(function* () {
        const [dir, whole] = [yield* withShard(mixed), yield* withShard(samplesOf(12))]
        const skipped: Array<string> = []
        const report = (error: SampleError) => Effect.sync(() => void skipped.push(error.key))
        const onBadSample = { policy: "skip", ceiling: 2, report } as const
        const kept = yield* windowKeys(webdataset(dir, { onBadSample }), shuffled(3, 5), start)
        const all = yield* windowKeys(webdataset(whole), shuffled(3, 5), start)
        expect(kept).toEqual(all.map((window) => window.filter((key) => key !== "0003" && key !== "0008")))
        expect(skipped).toEqual(["0003", "0008"])
      }))

    it.effect("one more than the ceiling fails and says what was wrong with it", () =>
      Effect.gen(function* () {
        const dir = yield* withShard(mixed)
        const error = yield* Effect.flip(read(dir, { onBadSample: { policy: "skip", ceiling: 1 } }))
        expect(error).toMatchObject({ _tag: "SampleError", reason: "tooManySkipped", key: "0008" })
        expect(error.message).toContain("expected a caption")
        expect(yield* Effect.flip(read(dir))).toMatchObject({ reason: "missingCaption", key: "0003" })
      }))
  })

  describe("shards", () => {
    it.effect("the number of samples is that of sizes.json, or else counted", () =>
      Effect.gen(function* () {
        const [fs, path, dir] = [yield* FileSystem.FileSystem, yield* Path.Path, yield* directory]
        yield* writeShards(dir, samplesOf(7), { samplesPerShard: 3 })
        expect((yield* openWebdataset(dir)).numSamples).toBe(7)
        yield* fs.remove(path.join(dir, "sizes.json"))
        expect(yield* countSamples(dir)).toBe(7)
        expect((yield* openWebdataset(dir)).numSamples).toBe(7)
        expect(webdataset(dir).numSamples).toBeUndefined()
      }))

    it.effect("a sizes.json that contradicts a shard, or is none, is an error", () =>
      Effect.gen(function* () {
        const dir = yield* withShard(samplesOf(3))
        for (const sizes of ['{"00000.tar": 4}', '{"00000.tar": 2}', '{"00000.tar": "3"}', "[3]", "{"]) {
          yield* writeFile(text(sizes), dir, "sizes.json")
          expect(yield* Effect.flip(read(dir)), sizes).toMatchObject({ _tag: "ShardError", reason: "sizes" })
        }
      }))

    it.effect("a missing directory, an empty one and a missing shard of a pattern are told apart", () =>
      Effect.gen(function* () {
        const [path, dir] = [yield* Path.Path, yield* withShard(samplesOf(2))]
        expect(yield* Effect.flip(read("/nowhere"))).toMatchObject({ reason: "missing", shard: "/nowhere" })
        expect(yield* Effect.flip(read(yield* directory))).toMatchObject({ reason: "empty" })
        const error = yield* Effect.flip(read(path.join(dir, "{00000..00001}.tar")))
        expect(error).toMatchObject({ reason: "missing", shard: path.join(dir, "00001.tar") })
        expect(yield* Effect.flip(read(path.join(dir, "{0..")))).toMatchObject({ reason: "pattern" })
      }))

    it.effect("a truncated shard gives the whole windows before the cut, then fails with its offset", () =>
      Effect.gen(function* () {
        const [path, dir] = [yield* Path.Path, yield* directory]
        yield* writeShards(dir, samplesOf(6))
        const whole = yield* readFile(dir, "00000.tar")
        // Sample 4 has lost its caption: it is not a bad sample, and its window is not a short one.
        yield* writeFile(whole.subarray(0, 4 * 2048 + 1024), dir, "cut.tar")
        for (const [windowSize, expected] of [[1, 4], [2, 4], [3, 3], [9, 0]] as const) {
          const seen: Array<string> = []
          const windows = webdataset(path.join(dir, "cut.tar")).windows(sequential(windowSize), start)
          const error = yield* Effect.flip(
            Stream.runForEach(windows, (window) => Effect.sync(() => void seen.push(...window.map(({ key }) => key))))
          )
          expect(error).toMatchObject({ _tag: "ShardError", reason: "truncated", offset: 4 * 2048 + 1024 })
          // The sample before the cut is known to be whole only when the next one begins.
          expect(seen.length).toBe(expected)
        }
      }))
  })

  describe("labels", () => {
    const labelledShard = (labels: ReadonlyArray<string>, classNames = "cat\ndog\n") =>
      Effect.tap(
        withShard(labels.map((cls, i) => ({ key: nameOf(i), members: { png: picture(i), cls: text(cls) } }))),
        (dir) =>
          Effect.andThen(
            writeFile(text(classNames), dir, "classnames.txt"),
            writeFile(text("a {}."), dir, "templates.txt")
          )
      )

    it.effect("class names and templates stand beside the shards, labels in .cls", () =>
      Effect.gen(function* () {
        const dataset = yield* Effect.flatMap(labelledShard(["0", "1\n", "0"]), (dir) => labelled(dir))
        expect(dataset).toMatchObject({ classNames: ["cat", "dog"], templates: ["a {}."], numSamples: 3 })
        const samples = (yield* Stream.runCollect(dataset.windows(sequential(9), start))).flat()
        expect(samples.map(({ label }) => label)).toEqual([0, 1, 0])
      }))

    it.effect("a label outside the classes, a missing one, and missing or holed class names are errors", () =>
      Effect.gen(function* () {
        for (const cls of ["2", "-1", "cat", ""]) {
          const dataset = yield* Effect.flatMap(labelledShard([cls]), (dir) => labelled(dir))
          const error = yield* Effect.flip(Stream.runCollect(dataset.windows(sequential(9), start)))
          expect(error, cls).toMatchObject({ reason: "badLabel", member: "0000.cls" })
        }
        const bare = yield* withShard(samplesOf(1))
        expect(yield* Effect.flip(labelled(bare))).toMatchObject({ _tag: "ShardError", reason: "missing" })
        const holed = labelledShard(["0"], "cat\n\ndog\n")
        expect(yield* Effect.flip(Effect.flatMap(holed, (dir) => labelled(dir)))).toMatchObject({ reason: "sizes" })
      }))
  })
})
