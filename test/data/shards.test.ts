import { layer } from "@effect/vitest"
import { Effect, FileSystem, Path, Stream } from "effect"
import { describe, expect } from "vitest"
import { readMembers, writeShards } from "../../lib/data/index.ts"
import { directory, nameOf, readFile, sampleOf, samplesOf, services, text, writeFile } from "./files.ts"

layer(services)("shards", (it) => {
  const members = (shard: string) => Stream.runCollect(readMembers(shard, () => true))

  describe("writing", () => {
    it.effect("samples come back in order, with sizes.json beside them and nothing half-written", () =>
      Effect.gen(function* () {
        const [fs, path, dir] = [yield* FileSystem.FileSystem, yield* Path.Path, yield* directory]
        const manifest = yield* writeShards(dir, samplesOf(7), { samplesPerShard: 3, prefix: "train-" })
        expect(manifest.numSamples).toBe(7)
        expect(manifest.shards.map(({ numSamples }) => numSamples)).toEqual([3, 3, 1])
        const names = ["sizes.json", "train-00000.tar", "train-00001.tar", "train-00002.tar"]
        expect((yield* fs.readDirectory(dir)).toSorted()).toEqual(names)
        const sizes: unknown = JSON.parse(yield* fs.readFileString(path.join(dir, "sizes.json")))
        expect(sizes).toEqual({ "train-00000.tar": 3, "train-00001.tar": 3, "train-00002.tar": 1 })
        const second = yield* members(path.join(dir, "train-00001.tar"))
        const expected = [3, 4, 5].flatMap((i) => [`${nameOf(i)}.png`, `${nameOf(i)}.txt`])
        expect(second.map((member) => member.path)).toEqual(expected)
        expect(second[1]?.bytes).toEqual(text("picture 3"))
      }))

    it.effect("equal samples give equal bytes, from a stream as from a list", () =>
      Effect.gen(function* () {
        const [a, b] = [yield* directory, yield* directory]
        yield* writeShards(a, samplesOf(4))
        yield* writeShards(b, Stream.fromIterable(samplesOf(4)))
        expect(yield* readFile(a, "00000.tar")).toEqual(yield* readFile(b, "00000.tar"))
      }))

    it.effect("names that USTAR cannot hold survive", () =>
      Effect.gen(function* () {
        const [path, dir] = [yield* Path.Path, yield* directory]
        const key = `${"long".repeat(80)}/ü`
        yield* writeShards(dir, [{ key, members: { txt: text("x") } }])
        expect((yield* members(path.join(dir, "00000.tar"))).map((m) => m.path)).toEqual([`${key}.txt`])
      }))

    it.effect("shards that are there are refused, or replaced whole when asked", () =>
      Effect.gen(function* () {
        const [fs, dir] = [yield* FileSystem.FileSystem, yield* directory]
        yield* writeShards(dir, samplesOf(6), { samplesPerShard: 2 })
        expect(yield* Effect.flip(writeShards(dir, samplesOf(2)))).toMatchObject({
          _tag: "ShardError",
          reason: "exists"
        })
        yield* writeShards(dir, samplesOf(2), { existing: "replace" })
        expect((yield* fs.readDirectory(dir)).toSorted()).toEqual(["00000.tar", "sizes.json"])
      }))

    it.effect("samples that would not come back as they are fail, and leave no sizes.json", () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const wrong = [
          [{ key: "a.b", members: { txt: text("x") } }],
          [{ key: "a", members: {} }],
          [{ key: "a", members: { PNG: text("x") } }],
          [sampleOf(1), sampleOf(1)]
        ]
        for (const samples of wrong) {
          const dir = yield* directory
          const error = yield* Effect.flip(writeShards(dir, samples))
          expect(error).toMatchObject({ _tag: "ShardError", reason: "invalidSample" })
          expect(yield* fs.readDirectory(dir)).toEqual([])
        }
        expect(yield* Effect.flip(writeShards(yield* directory, []))).toMatchObject({ reason: "empty" })
      }))

    it.effect("a failing source or a failing disk leaves no half-written file and no sizes.json", () =>
      Effect.gen(function* () {
        const [fs, dir] = [yield* FileSystem.FileSystem, yield* directory]
        const source = Stream.concat(Stream.fromIterable(samplesOf(5)), Stream.fail("broken" as const))
        expect(yield* Effect.flip(writeShards(dir, source, { samplesPerShard: 2 }))).toBe("broken")
        expect((yield* fs.readDirectory(dir)).toSorted()).toEqual(["00000.tar", "00001.tar", "00002.tar"])
        const full: FileSystem.FileSystem = { ...fs, rename: () => fs.rename("/nowhere/a", "/nowhere/b") }
        const other = yield* directory
        const error = yield* Effect.flip(
          Effect.provideService(writeShards(other, samplesOf(2)), FileSystem.FileSystem, full)
        )
        expect(error).toMatchObject({ _tag: "ShardError" })
        expect(yield* fs.readDirectory(other)).toEqual([])
      }))
  })

  describe("reading", () => {
    it.effect("a shard cut anywhere, between two members as well, is truncated at the byte where it ends", () =>
      Effect.gen(function* () {
        const [path, dir] = [yield* Path.Path, yield* directory]
        yield* writeShards(dir, samplesOf(3))
        const whole = yield* readFile(dir, "00000.tar")
        expect(whole.length).toBe(13 * 512 + 512)
        for (const length of [0, 100, 512, 700, 1024, 2048, 3000, 12 * 512]) {
          yield* writeFile(whole.subarray(0, length), dir, "cut.tar")
          const error = yield* Effect.flip(members(path.join(dir, "cut.tar")))
          expect(error, String(length)).toMatchObject({ _tag: "ShardError", reason: "truncated", offset: length })
          if (length > 512) expect(error.member, String(length)).toBeTypeOf("string")
        }
      }))

    it.effect("a broken header is corrupt, with its offset and the member before it", () =>
      Effect.gen(function* () {
        const [path, dir] = [yield* Path.Path, yield* directory]
        yield* writeShards(dir, samplesOf(3))
        const bytes = Uint8Array.from(yield* readFile(dir, "00000.tar"))
        bytes[2048 + 20] = 77
        yield* writeFile(bytes, dir, "bad.tar")
        const error = yield* Effect.flip(members(path.join(dir, "bad.tar")))
        expect(error).toMatchObject({ reason: "corrupt", offset: 2048, member: "0000.txt" })
        expect(error.message).toContain("bad.tar")
        yield* writeFile(text("no archive at all".repeat(100)), dir, "text.tar")
        expect(yield* Effect.flip(members(path.join(dir, "text.tar")))).toMatchObject({ _tag: "ShardError" })
      }))

    it.effect("a missing shard is missing, with its path", () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(members("/nowhere/00000.tar"))
        expect(error).toMatchObject({ _tag: "ShardError", reason: "missing", shard: "/nowhere/00000.tar" })
      }))

    it.effect("members that are not wanted are passed over without their bytes", () =>
      Effect.gen(function* () {
        const [path, dir] = [yield* Path.Path, yield* directory]
        yield* writeShards(dir, samplesOf(2))
        const found = yield* Stream.runCollect(
          readMembers(path.join(dir, "00000.tar"), (name) => name.endsWith(".txt"))
        )
        expect(found.map(({ bytes }) => bytes !== undefined)).toEqual([false, true, false, true])
      }))
  })
})
