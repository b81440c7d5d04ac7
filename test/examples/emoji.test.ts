import { Effect, FileSystem, Path, Stream } from "effect"
import { describe, expect, it, layer } from "@effect/vitest"
import sharp from "sharp"
import type { Concept } from "../../examples/emoji/art.ts"
import { artists, findConcepts, idOf } from "../../examples/emoji/art.ts"
import { captionsOf, className, heldOutNames, isHeldOut, memberNames } from "../../examples/emoji/captions.ts"
import { expectation, galleriesOf } from "../../examples/emoji/galleries.ts"
import { emojiClip, emojiDiffClip, tokenTable } from "../../examples/emoji/model.ts"
import { prepare } from "../../examples/emoji/prepare.ts"
import { setNames, shardSets } from "../../examples/emoji/shardSets.ts"
import { labelled, webdataset } from "../../lib/data/index.ts"
import type { Dataset } from "../../lib/api/index.ts"
import { decodeOnWhite } from "../../lib/image/sharp.ts"
import { files } from "../../pipelines/node.ts"
import { clipTokenizer } from "../../lib/text/index.ts"

const here = import.meta.dirname

const allOf = <S, E, R>(dataset: Dataset<S, E, R>) =>
  Effect.map(
    Stream.runCollect(
      dataset.windows({ seed: 0, windowSize: 64, order: "sequential" }, { epoch: 0, delivered: 0 })
    ),
    (windows) => windows.flat()
  )

/** Some of each group, with held-out ones among them. */
const handful = (concepts: ReadonlyArray<Concept>): ReadonlyArray<Concept> =>
  concepts.filter((concept, i) => i % 180 === 0 || (isHeldOut(concept) && i % 60 === 0))

layer(files)("the emoji that all artists have drawn", (it) => {
  it.effect("are 1,636 concepts with as many different names, in 8 groups and 95 subgroups", () =>
    Effect.gen(function* () {
      const concepts = yield* findConcepts(here)
      expect(concepts.length).toBe(1636)
      expect(new Set(concepts.map(({ id }) => id)).size).toBe(1636)
      expect(new Set(concepts.map((concept) => captionsOf(concept)[0])).size).toBe(1636)
      expect(new Set(concepts.map(({ group }) => group)).size).toBe(8)
      expect(new Set(concepts.map(({ subgroup }) => subgroup)).size).toBe(95)
    }))

  it.effect("have a file by each of the four artists", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const concepts = handful(yield* findConcepts(here))
      const found = yield* Effect.forEach(
        concepts.flatMap((concept) => artists.map((artist) => concept.files[artist])),
        (file) => fs.exists(file)
      )
      expect(found.every(Boolean)).toBe(true)
    }))

  it.effect("are held out by 15 percent, the same ones whatever else there is", () =>
    Effect.gen(function* () {
      const concepts = yield* findConcepts(here)
      const heldOut = concepts.filter(isHeldOut)
      expect(heldOut.length / concepts.length).toBeGreaterThan(0.13)
      expect(heldOut.length / concepts.length).toBeLessThan(0.17)
      expect(heldOut.slice(0, 3).map(({ annotation }) => annotation)).toEqual([
        "face with raised eyebrow",
        "relieved face",
        "face with medical mask"
      ])
    }))

  it.effect("are asked for by twelve held-out names in an order that the hash decides, each once", () =>
    Effect.gen(function* () {
      const concepts = yield* findConcepts(here)
      const names = heldOutNames(concepts, 12)
      expect(new Set(names).size).toBe(12)
      expect(heldOutNames(concepts.toReversed(), 12)).toEqual(names)
      const heldOut = new Set(concepts.filter(isHeldOut).map((concept) => captionsOf(concept)[0]))
      expect(names.filter((name) => !heldOut.has(name))).toEqual([])
    }))

  it.effect("make 57 subgroups with ten members or more, which cover 1,397 pictures", () =>
    Effect.gen(function* () {
      const sets = shardSets(yield* findConcepts(here))
      const sizeOf = (name: string) => sets.find((set) => set.name === name)?.pictures.length
      const subgroups = sets.find((set) => set.name === setNames.subgroups)
      expect(subgroups?.pictures.length).toBe(1397)
      expect(subgroups?.files["classnames.txt"]?.trimEnd().split("\n").length).toBe(57)
      expect([sizeOf(setNames.color), sizeOf(setNames.black), sizeOf(setNames.groups)]).toEqual([1636, 1636, 1636])
      const heldOut = sizeOf(setNames.heldOut.google) ?? 0
      expect(sizeOf(setNames.train)).toBe(2 * (1636 - heldOut))
    }))

  it.effect("train no picture of a held-out concept and none by OpenMoji", () =>
    Effect.gen(function* () {
      const train = shardSets(yield* findConcepts(here)).find((set) => set.name === setNames.train)
      expect(train?.pictures.some(({ concept }) => isHeldOut(concept))).toBe(false)
      expect(new Set(train?.pictures.map(({ artist }) => artist))).toEqual(new Set(["google", "twitter"]))
    }))

  it.effect("fit a context of 16 tokens whole, and class names have rows in the token table", () =>
    Effect.gen(function* () {
      const concepts = yield* findConcepts(here)
      const tokenizer = clipTokenizer()
      const longest = Math.max(...concepts.flatMap(captionsOf).map((caption) => tokenizer.encode(caption).length))
      expect(longest + 2).toBeLessThanOrEqual(16)
      const rows = new Set(tokenTable(concepts))
      const names = concepts.flatMap((
        { group, subgroup }
      ) => [className("group", group), className("subgroup", subgroup)])
      expect(names.flatMap((name) => tokenizer.encode(name)).every((id) => rows.has(id))).toBe(true)
      expect(emojiDiffClip([...rows]).numParameters).toBeGreaterThan(emojiClip([...rows]).numParameters)
    }))

  it.effect("are missing with a typed error that says how to install them", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(findConcepts("/"))
      expect(error._tag).toBe("ArtError")
      expect(error.message).toContain("npm install")
      expect(error.message).toContain("emoji-datasource-google@16.0.0")
    }))
})

describe("captions", () => {
  it("are lower-case: the name, a sentence, and the name with two tags", () => {
    expect(captionsOf({ annotation: "Man  Juggling", tags: ["Act", "man juggling", "balance", "skill"] })).toEqual([
      "man juggling",
      "a picture of man juggling",
      "man juggling, act, balance"
    ])
  })

  it("of a class's members leave out the concepts that are held out", () => {
    const concept = (id: string, annotation: string): Concept => ({
      id,
      annotation,
      tags: [],
      group: "food-drink",
      subgroup: "drink",
      files: { google: "", twitter: "", "openmoji-color": "", "openmoji-black": "" }
    })
    const concepts = Array.from({ length: 40 }, (_, i) => concept(`1f${i}`, `drink ${i}`))
    const seen = concepts.filter((one) => !isHeldOut(one)).map(({ annotation }) => annotation)
    expect(seen.length).toBeLessThan(40)
    expect(memberNames("group", concepts, ["food and drink", "objects"])).toEqual([seen, []])
  })

  it("without tags are two", () => {
    expect(captionsOf({ annotation: "key", tags: [] })).toEqual(["key", "a picture of key"])
  })

  it("name the same drawing with and without the variation selector", () => {
    expect(idOf("1F468-200D-2695-FE0F")).toBe(idOf("1f468-200d-2695"))
  })
})

describe("the galleries", () => {
  const asked = (recall: number) => {
    const claim = { protocol: "retrieval", dataset: "emoji", n: 12 }
    const recalls = { "imageRetrievalRecall@5": recall }
    return {
      nearest: { ...claim, metrics: {}, chance: {}, examples: [], numPictures: 1636 },
      all: { ...claim, n: 1636, metrics: recalls, chance: recalls }
    }
  }

  it("say what the recall over all captions lets one expect of those shown", () => {
    expect(expectation(asked(0.051))).toBe(
      "Over all 1,636 names it is so for 5.1 %, about 1 in 20: this is recall@5, which lets one expect 0.6 of 12."
    )
    expect(expectation(asked(0))).toBe(
      "Over all 1,636 names it is so for 0.0 %: this is recall@5, which lets one expect 0.0 of 12."
    )
  })

  it("are one for the unseen artist and one for unseen concepts", () => {
    const galleries = galleriesOf(asked(0.05), asked(0.25))
    expect(galleries.map(({ note }) => note?.includes("1 in 20"))).toEqual([true, false])
    expect(galleries[1]?.note).toContain("3.0 of 12")
  })
})

layer(files)("preparing", (it) => {
  const prepared = Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const dir = yield* fs.makeTempDirectoryScoped()
    const concepts = handful(yield* findConcepts(here))
    const first = yield* prepare({ dir, concepts, minClassSize: 2 })
    return { dir, concepts, first }
  })

  it.effect(
    "writes shards that read back: pictures of 64 x 64 with their captions or classes",
    () =>
      Effect.gen(function* () {
        const { dir, concepts, first } = yield* prepared
        const path = yield* Path.Path
        expect(first.made).toBe("afresh")
        const train = yield* allOf(webdataset(path.join(dir, setNames.train)))
        expect(train.length).toBe(2 * concepts.filter((concept) => !isHeldOut(concept)).length)
        const color = yield* allOf(webdataset(path.join(dir, setNames.color)))
        expect(color.map(({ captions }) => captions)).toEqual(concepts.map(captionsOf))
        expect([...train, ...color].every(({ image }) => image.width === 64 && image.height === 64)).toBe(true)
        const groups = yield* labelled(path.join(dir, setNames.groups))
        const classes = (yield* allOf(groups)).map(({ label }) => groups.classNames[label])
        expect(classes).toEqual(concepts.map(({ group }) => className("group", group)))
      }).pipe(Effect.scoped),
    30_000
  )

  it.effect(
    "a second time leaves the shards alone, and other concepts make them afresh",
    () =>
      Effect.gen(function* () {
        const { dir, concepts } = yield* prepared
        expect((yield* prepare({ dir, concepts, minClassSize: 2 })).made).toBe("reused")
        expect((yield* prepare({ dir, concepts: concepts.slice(1), minClassSize: 2 })).made).toBe("afresh")
      }).pipe(Effect.scoped),
    30_000
  )

  it.effect(
    "lays art on white: corners of a drawing without a background are white, by every artist",
    () =>
      Effect.gen(function* () {
        const { dir } = yield* prepared
        const path = yield* Path.Path
        const samples = yield* allOf(webdataset(path.join(dir, setNames.color)))
        const black = yield* allOf(webdataset(path.join(dir, setNames.black)))
        const corners = [...samples, ...black].map(({ image }) => [...image.data.subarray(0, 3)])
        expect(corners).toEqual(corners.map(() => [255, 255, 255]))
      }).pipe(Effect.scoped),
    30_000
  )
})

describe("a picture with transparency", () => {
  it("is mixed with white by its alpha, before anything is resized", async () => {
    const data = Uint8Array.of(0, 0, 0, 0, 200, 100, 0, 128)
    const png = await sharp(data, { raw: { width: 2, height: 1, channels: 4 } }).png().toBuffer()
    const { data: rgb } = await Effect.runPromise(decodeOnWhite(new Uint8Array(png)))
    const mixed = (v: number) => Math.round((v * 128 + 255 * 127) / 255)
    expect([...rgb]).toEqual([255, 255, 255, mixed(200), mixed(100), mixed(0)])
  })
})
