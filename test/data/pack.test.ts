import { layer } from "@effect/vitest"
import { Effect, FileSystem, Stream } from "effect"
import { expect } from "vitest"
import {
  Dataset,
  fromArray,
  labelled,
  labelledFolder,
  openWebdataset,
  packDataset,
  webdataset,
  writeShards
} from "../../lib/data/index.ts"
import { encodePng } from "../../lib/image/sharp.ts"
import { directory, picture, samplesOf, sequential, services, start, text, writeFile } from "./files.ts"

const read = <S, E, R>(dataset: { windows: Dataset<S, E, R>["windows"] }) =>
  Effect.map(Stream.runCollect(dataset.windows(sequential(100), start)), (windows) => windows.flat())

layer(services)("packDataset", (it) => {
  it.effect("keeps the files of pictures byte for byte, whatever data set they came through, and the captions", () =>
    Effect.gen(function* () {
      const [from, dir] = [yield* directory, yield* directory]
      yield* writeShards(from, samplesOf(5), { samplesPerShard: 2 })
      const two = yield* openWebdataset(from)
      const all = Dataset.concat(two, Dataset.map(two, (sample) => ({ ...sample, captions: ["a\nb", "c"] })))
      const out = `${dir}/packed`
      const packed = yield* packDataset(all, out, { encodePng, samplesPerShard: 4 })
      expect(packed).toMatchObject({ numSamples: 10, numKept: 10, numEncoded: 0, numCaptions: 15, kind: "captions" })
      const again = yield* read(webdataset(out))
      expect(again.map(({ key }) => key)[9]).toBe("000000009")
      expect(again.map(({ captions }) => captions).slice(4, 6)).toEqual([["picture 4"], ["a\nb", "c"]])
      const fs = yield* FileSystem.FileSystem
      const tar = yield* fs.readFile(`${out}/00000.tar`)
      expect(Buffer.from(tar).includes(Buffer.from(picture(1)))).toBe(true)
      expect(JSON.parse(yield* fs.readFileString(`${out}/sizes.json`))).toEqual({
        "00000.tar": 4,
        "00001.tar": 4,
        "00002.tar": 2
      })
      const manifest: unknown = JSON.parse(yield* fs.readFileString(`${out}/manifest.json`))
      expect(manifest).toMatchObject({ name: all.name, numSamples: 10 })
    }))

  it.effect("encodes pictures whose file is not known as PNG, to the pixel", () =>
    Effect.gen(function* () {
      const dir = yield* directory
      const image = { width: 2, height: 1, data: Uint8Array.of(1, 2, 3, 250, 251, 252) }
      const packed = yield* packDataset(fromArray("one", [{ key: "a.b/c", image, captions: ["x"] }]), `${dir}/out`, {
        encodePng
      })
      expect(packed).toMatchObject({ numKept: 0, numEncoded: 1 })
      const [sample] = yield* read(webdataset(`${dir}/out`))
      expect([...(sample?.image.data ?? [])]).toEqual([...image.data])
    }))

  it.effect("writes labels with classnames.txt and templates.txt, which labelled reads", () =>
    Effect.gen(function* () {
      const [from, dir] = [yield* directory, yield* directory]
      const fs = yield* FileSystem.FileSystem
      for (const name of ["cat", "dog"]) yield* fs.makeDirectory(`${from}/${name}`)
      yield* writeFile(picture(1), from, "cat", "a.png")
      yield* writeFile(picture(2), from, "dog", "b.png")
      const packed = yield* packDataset(yield* labelledFolder(from), `${dir}/out`, { encodePng })
      expect(packed.kind).toBe("labels")
      const dataset = yield* labelled(`${dir}/out`)
      expect(dataset).toMatchObject({ classNames: ["cat", "dog"], templates: ["a photo of a {}."] })
      expect((yield* read(dataset)).map(({ label }) => label)).toEqual([0, 1])
    }))

  it.effect("leaves nothing half-written, and nothing is overwritten", () =>
    Effect.gen(function* () {
      const [from, dir] = [yield* directory, yield* directory]
      const fs = yield* FileSystem.FileSystem
      yield* writeShards(from, samplesOf(5), { samplesPerShard: 2 })
      yield* writeFile(text("no tar"), from, "00001.tar")
      const error = yield* Effect.flip(packDataset(webdataset(from), `${dir}/out`, { encodePng, samplesPerShard: 1 }))
      expect(error).toMatchObject({ _tag: "ShardError" })
      expect(yield* fs.readDirectory(dir)).toEqual([])
      yield* writeFile(text("mine"), dir, "notes.txt")
      const refused = yield* Effect.flip(packDataset(webdataset(from), dir, { encodePng }))
      expect(refused).toMatchObject({ _tag: "FolderError" })
      expect(refused.message).toContain("notes.txt")
      expect(yield* fs.readDirectory(dir)).toEqual(["notes.txt"])
    }))

  it.effect("refuses a .partial that is there, and leaves what it holds", () =>
    Effect.gen(function* () {
      const [from, dir] = [yield* directory, yield* directory]
      const fs = yield* FileSystem.FileSystem
      yield* writeShards(from, samplesOf(3))
      yield* fs.makeDirectory(`${dir}/out.partial`)
      yield* writeFile(text("mine"), dir, "out.partial", "notes.txt")
      const refused = yield* Effect.flip(packDataset(webdataset(from), `${dir}/out`, { encodePng }))
      expect(refused).toMatchObject({ _tag: "FolderError", folder: `${dir}/out.partial` })
      expect(yield* fs.readFileString(`${dir}/out.partial/notes.txt`)).toBe("mine")
      expect(yield* fs.readDirectory(dir)).toEqual(["out.partial"])
      expect(yield* packDataset(webdataset(from), `${dir}/new/out`, { encodePng })).toMatchObject({ numSamples: 3 })
    }))

  it.effect("refuses samplesPerShard that is no whole number above 0", () =>
    Effect.gen(function* () {
      const dir = yield* directory
      for (const samplesPerShard of [0, -3, 1.5, NaN]) {
        expect(() => writeShards(`${dir}/a`, samplesOf(3), { samplesPerShard })).toThrow("whole number above 0")
        expect(() => packDataset(fromArray("none", []), `${dir}/a`, { encodePng, samplesPerShard })).toThrow(RangeError)
      }
      const fs = yield* FileSystem.FileSystem
      expect(yield* fs.readDirectory(dir)).toEqual([])
    }))
})
