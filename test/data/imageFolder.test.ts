import { layer } from "@effect/vitest"
import { Effect, FileSystem, Stream } from "effect"
import { expect } from "vitest"
import { imageFolder, labelledFolder } from "../../lib/data/index.ts"
import type { CaptionTable, ImageFolderOptions } from "../../lib/data/index.ts"
import { directory, picture, sequential, services, start, text } from "./files.ts"

/** A folder of files by path: numbers are pictures, texts are texts. */
const folderOf = (files: Readonly<Record<string, number | string>>) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const dir = yield* directory
    for (const [name, content] of Object.entries(files)) {
      const file = `${dir}/${name}`
      yield* Effect.orDie(fs.makeDirectory(file.slice(0, file.lastIndexOf("/")), { recursive: true }))
      yield* Effect.orDie(fs.writeFile(file, typeof content === "number" ? picture(content) : text(content)))
    }
    return dir
  })

const samplesOf = (dataset: CaptionTable) =>
  Effect.map(Stream.runCollect(dataset.windows(sequential(100), start)), (windows) => windows.flat())

const contentsOf = (files: Readonly<Record<string, number | string>>, options?: ImageFolderOptions) =>
  Effect.gen(function* () {
    const dataset = yield* imageFolder(yield* folderOf(files), options)
    const samples = yield* samplesOf(dataset)
    expect(dataset.numSamples).toBe(samples.length)
    return samples.map(({ captions, image, key }) => [key, image.data[0], ...captions])
  })

const pictures = { "a.png": 1, "b.png": 2 }
const expected = [["a.png", 1, "a cat, asleep"], ["b.png", 2, "a dog"]]

layer(services)("imageFolder", (it) => {
  it.effect("reads captions.txt with tabs or commas, with or without a header, captions with commas as they are", () =>
    Effect.gen(function* () {
      const tabs = "a.png\ta cat, asleep\nb.png\ta dog\n"
      expect(yield* contentsOf({ ...pictures, "captions.txt": tabs })).toEqual(expected)
      const commas = tabs.replaceAll("\t", ",")
      expect(yield* contentsOf({ ...pictures, "captions.txt": commas })).toEqual(expected)
      expect(yield* contentsOf({ ...pictures, "captions.txt": `image,caption\r\n${commas}` })).toEqual(expected)
    }))

  it.effect("reads captions and metadata as CSV, TSV and JSONL, as Hugging Face's imagefolder has them", () =>
    Effect.gen(function* () {
      const csv = 'file_name,text\na.png,"a cat, asleep"\nb.png,a dog\n'
      expect(yield* contentsOf({ ...pictures, "metadata.csv": csv })).toEqual(expected)
      expect(yield* contentsOf({ ...pictures, "captions.csv": csv })).toEqual(expected)
      const jsonl = '{"file_name":"a.png","text":"a cat, asleep"}\n{"file_name":"b.png","text":"a dog"}\n'
      expect(yield* contentsOf({ ...pictures, "metadata.jsonl": jsonl })).toEqual(expected)
      expect(
        yield* contentsOf({ ...pictures, "said.tsv": "a.png\ta cat, asleep\nb.png\ta dog" }, { captions: "said.tsv" })
      )
        .toEqual(expected)
    }))

  it.effect("makes rows of one picture one sample of several captions, unless told otherwise", () =>
    Effect.gen(function* () {
      const files = { ...pictures, "captions.tsv": "a.png\tone\na.png\ttwo\nb.png\tthree\n" }
      expect(yield* contentsOf(files)).toEqual([["a.png", 1, "one", "two"], ["b.png", 2, "three"]])
      expect(yield* contentsOf(files, { samePicture: "separate" })).toHaveLength(3)
    }))

  it.effect("reads a .txt beside each picture, below the folder too, sorted by path", () =>
    Effect.gen(function* () {
      const files = {
        ...{ "00001/000010000.jpg": 4, "00001/000010000.txt": "four\nvier\n", "00001/000010000.json": "{}" },
        ...{ "00000/000000001.png": 3, "00000/000000001.txt": "three", ".hidden/x.png": 9, ".hidden/x.txt": "no" }
      }
      expect(yield* contentsOf(files)).toEqual([
        ["00000/000000001.png", 3, "three"],
        ["00001/000010000.jpg", 4, "four", "vier"]
      ])
    }))

  it.effect("a picture without its .txt, or with an empty one, is a bad sample in its place", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const onBadSample = {
        policy: "skip",
        ceiling: 9,
        report: ({ message, reason }: { message: string; reason: string }) =>
          Effect.sync(() => void seen.push(reason, message))
      } as const
      const files = { "a.png": 1, "a.txt": "one", "b.png": 2, "c.png": 3, "c.txt": " \n" }
      const dataset = yield* imageFolder(yield* folderOf(files), { onBadSample })
      expect((yield* samplesOf(dataset)).map(({ key }) => key)).toEqual(["a.png"])
      expect([dataset.numSamples, seen[0], seen[2]]).toEqual([3, "missingCaption", "missingCaption"])
      expect(seen[1]).toContain('"b.txt"')
    }))

  it.effect("says what it looked for when nothing is found, and what the folder looks like", () =>
    Effect.gen(function* () {
      const nothing = yield* Effect.flip(imageFolder(yield* folderOf({ "cat/a.png": 1, "dog/b.png": 2 })))
      expect(nothing).toMatchObject({ _tag: "FolderError", reason: "captions" })
      expect(nothing.message).toMatch(/captions\.tsv, captions\.csv.*metadata\.jsonl.*a \.txt beside each picture/)
      expect(nothing.message).toMatch(/among 2 pictures\. It has 2 folders.*labelledFolder/)
      const two = yield* Effect.flip(imageFolder(yield* folderOf({ "captions.txt": "", "captions.csv": "" })))
      expect(two.message).toContain("captions.csv and captions.txt")
      expect(yield* Effect.flip(imageFolder("/nowhere"))).toMatchObject({ _tag: "FolderError", reason: "missing" })
    }))

  it.effect("has a fingerprint of its names", () =>
    Effect.gen(function* () {
      const print = (files: Readonly<Record<string, number | string>>) =>
        Effect.gen(function* () {
          const dataset = yield* imageFolder(yield* folderOf(files), { name: "x" })
          return yield* (dataset.fingerprint ?? Effect.succeed(""))
        })
      const one = yield* print({ "a.png": 1, "a.txt": "one" })
      expect(yield* print({ "a.png": 2, "a.txt": "two" })).toBe(one)
      expect(yield* print({ "b.png": 1, "b.txt": "one" })).not.toBe(one)
    }))
})

layer(services)("labelledFolder", (it) => {
  const read = (files: Readonly<Record<string, number | string>>) =>
    Effect.gen(function* () {
      const dataset = yield* labelledFolder(yield* folderOf(files))
      const samples = (yield* Stream.runCollect(dataset.windows(sequential(9), start))).flat()
      return { dataset, labels: samples.map(({ key, label }) => [key, label]) }
    })

  it.effect("takes the class folders in order of their names, with words and templates from them", () =>
    Effect.gen(function* () {
      const { dataset, labels } = yield* read({ "dog/b.png": 2, "dog/a.png": 3, "big_cat/x/c.png": 1, "n.png": 4 })
      expect(labels).toEqual([["big_cat/x/c.png", 0], ["dog/a.png", 1], ["dog/b.png", 1]])
      expect(dataset).toMatchObject({
        numSamples: 3,
        classNames: ["big cat", "dog"],
        templates: ["a photo of a {}."]
      })
    }))

  it.effect("reads classnames.txt and templates.txt, and refuses a number of names that does not fit", () =>
    Effect.gen(function* () {
      const classes = { "n01/a.png": 1, "n02/b.png": 2 }
      const { dataset } = yield* read({ ...classes, "classnames.txt": "cat\ndog\n", "templates.txt": "a {}\nthe {}\n" })
      expect(dataset).toMatchObject({ classNames: ["cat", "dog"], templates: ["a {}", "the {}"] })
      const error = yield* Effect.flip(read({ ...classes, "classnames.txt": "cat\n" }))
      expect(error).toMatchObject({ _tag: "FolderError", reason: "names" })
      expect(yield* Effect.flip(read({ "a.png": 1 }))).toMatchObject({ _tag: "FolderError", reason: "classes" })
    }))

  it.effect("orders folders that are numbers as numbers, as ImageNet-V2 needs", () =>
    Effect.gen(function* () {
      const { labels } = yield* read({ "10/a.png": 1, "2/b.png": 2, "0/c.png": 3 })
      expect(labels).toEqual([["0/c.png", 0], ["2/b.png", 1], ["10/a.png", 2]])
    }))
})
