import { layer } from "@effect/vitest"
import { Effect, Stream } from "effect"
import fc from "fast-check"
import { parquetWriteBuffer } from "hyparquet-writer"
import process from "node:process"
import { gzipSync } from "node:zlib"
import { expect, expectTypeOf } from "vitest"
import { batches, captionTable } from "../../lib/data/index.ts"
import type { CaptionTable, CaptionTableOptions } from "../../lib/data/index.ts"
import { bytesOfParquet } from "../../lib/data/parquet.ts"
import { parquetCodecs } from "../../pipelines/parquetCodecs.ts"
import {
  directory,
  nameOf,
  picture,
  sequential,
  services,
  shuffled,
  start,
  text,
  windowKeys,
  writeFile
} from "./files.ts"

/** A folder with pictures 0000.png, … and a table of a name. */
const folderWith = (name: string, table: string | Uint8Array, numPictures = 3) =>
  Effect.gen(function* () {
    const dir = yield* directory
    for (let i = 0; i < numPictures; i++) yield* writeFile(picture(i), dir, `${nameOf(i)}.png`)
    yield* writeFile(typeof table === "string" ? text(table) : table, dir, name)
    return `${dir}/${name}`
  })

const readAll = (table: CaptionTable) =>
  Effect.map(Stream.runCollect(table.windows(sequential(1000), start)), (windows) => windows.flat())

/** What a table's rows say, in their order: captions by key, and the first byte of the picture. */
const contentsOf = (name: string, table: string | Uint8Array, options?: CaptionTableOptions) =>
  Effect.gen(function* () {
    const opened = yield* captionTable(yield* folderWith(name, table), options)
    const samples = yield* readAll(opened)
    expect(opened.numSamples).toBe(samples.length)
    return samples.map(({ captions, image, key }) => [key, image.data[0], ...captions])
  })

const failureOf = (name: string, table: string | Uint8Array, options?: CaptionTableOptions) =>
  Effect.flip(Effect.flatMap(folderWith(name, table), (file) => Effect.flatMap(captionTable(file, options), readAll)))

const two = [["0000.png", 0, "a cat"], ["0001.png", 1, "a dog"]]
const rowsOf = (count: number): string =>
  `image_path\tcaption\n${Array.from({ length: count }, (_, i) => `${nameOf(i)}.png\tpicture ${i}\n`).join("")}`

layer(services)("captionTable", (it) => {
  it.effect("reads SynthCLIP's tab-separated image_path and caption as they are", () =>
    Effect.gen(function* () {
      expect(yield* contentsOf("a.tsv", "image_path\tcaption\n0000.png\ta cat\n0001.png\ta dog\n")).toEqual(two)
    }))

  it.effect("reads CSV, JSONL, Parquet and gzip, with the columns that people use", () =>
    Effect.gen(function* () {
      expect(yield* contentsOf("a.csv", '\uFEFF"Filepath","id","Title"\r\n0000.png,1,"a cat"\r\n0001.png,2,a dog'))
        .toEqual(two)
      const jsonl = '{"text":"a cat","file_name":"0000.png"}\n{"file_name":"0001.png","text":["a dog"],"x":1}\n'
      expect(yield* contentsOf("a.jsonl", jsonl)).toEqual(two)
      expect(yield* contentsOf("a.jsonl.gz", gzipSync(jsonl))).toEqual(two)
      const columnData = [
        { name: "image", data: ["0000.png", "0001.png"] },
        { name: "caption", data: ["a cat", "a dog"] }
      ]
      expect(yield* contentsOf("a.parquet", new Uint8Array(parquetWriteBuffer({ columnData })))).toEqual(two)
    }))

  it.effect("a small Parquet file of many or long rows fails at maxTableBytes before it takes the memory", () =>
    Effect.gen(function* () {
      const bomb = (numRows: number, caption: string) => {
        const image = Array.from({ length: numRows }, () => "0000.png")
        const captions = Array.from({ length: numRows }, () => caption)
        const columnData = [{ name: "image", data: image }, { name: "caption", data: captions }]
        return new Uint8Array(parquetWriteBuffer({ columnData }))
      }
      for (const [numRows, caption] of [[2_000_000, "a cat"], [3000, "cat ".repeat(25_000)]] as const) {
        const bytes = bomb(numRows, caption)
        expect(bytes.length).toBeLessThan(20_000)
        const before = process.memoryUsage().rss
        const error = yield* failureOf("a.parquet", bytes, { maxTableBytes: 100_000 })
        expect(error).toMatchObject({ _tag: "TableError", reason: "tooLong" })
        expect(process.memoryUsage().rss - before).toBeLessThan(100e6)
      }
    }))

  it.effect("reads Parquet of more rows than are unpacked at a time, each once and in order", () =>
    Effect.gen(function* () {
      const image = Array.from({ length: 70_000 }, (_, i) => `${i}.png`)
      const lists = image.map((name, i) => i % 3 === 0 ? [] : [name, "same"])
      const columnData = [{ name: "image", data: image }, { name: "captions", data: lists }]
      const parquet = new Uint8Array(parquetWriteBuffer({ columnData, rowGroupSize: 40_000 }))
      const file = yield* folderWith("a.parquet", parquet)
      const table = yield* bytesOfParquet(file, {}, 1e9)
      const read = new TextDecoder().decode(yield* Stream.mkUint8Array(table.chunks))
      const expected = image.map((name, i) => `${JSON.stringify({ image: name, captions: lists[i] })}\n`).join("")
      expect(read === expected).toBe(true)
    }))

  it.effect("reads Parquet of several row groups, list columns and Node's compressions", () =>
    Effect.gen(function* () {
      const columnData = [
        { name: "path", data: ["0000.png", "0001.png", "0002.png"] },
        { name: "captions", data: [["a", "b"], ["c"], ["d"]] }
      ]
      const compressors = { GZIP: (bytes: Uint8Array) => new Uint8Array(gzipSync(bytes)) }
      const options = { columnData, rowGroupSize: 2 }
      const plain = new Uint8Array(parquetWriteBuffer(options))
      const expected = [["0000.png", 0, "a", "b"], ["0001.png", 1, "c"], ["0002.png", 2, "d"]]
      expect(yield* contentsOf("a.parquet", plain)).toEqual(expected)
      const gzip = new Uint8Array(parquetWriteBuffer({ ...options, codec: "GZIP", compressors }))
      expect(yield* contentsOf("a.parquet", gzip).pipe(Effect.provide(parquetCodecs))).toEqual(expected)
      const error = yield* failureOf("a.parquet", gzip)
      expect(error).toMatchObject({ _tag: "TableError", reason: "codec" })
      expect(error.message).toContain('got "GZIP"')
    }))

  it.effect("takes several columns, or a list, as several captions and leaves out blank ones", () =>
    Effect.gen(function* () {
      const csv = "image,short,long\n0000.png,a,b\n0001.png,,c\n"
      const columns = { captions: ["short", "long"] }
      const expected = [["0000.png", 0, "a", "b"], ["0001.png", 1, "c"]]
      expect(yield* contentsOf("a.csv", csv, { columns })).toEqual(expected)
      expect(yield* contentsOf("a.csv", csv.replace("short", "caption_1").replace("long", "caption_2"))).toEqual(
        expected
      )
      expect(yield* contentsOf("a.csv", 'image,captions\n0000.png,"[""a"",""b""]"\n0001.png,[c]\n')).toEqual([
        ["0000.png", 0, "a", "b"],
        ["0001.png", 1, "[c]"]
      ])
    }))

  it.effect("without a header knows the picture by its ending, or takes columns by place", () =>
    Effect.gen(function* () {
      expect(yield* contentsOf("a.tsv", "0000.png\ta cat\n0001.png\ta dog\n")).toEqual(two)
      expect(yield* contentsOf("a.tsv", "a cat\t0000.png\na dog\t0001.png\n")).toEqual(two)
      const columns = { image: 2, captions: 1 }
      expect(yield* contentsOf("a.csv", "7;a cat;0000.png\n8;a dog;0001.png\n", { columns, separator: ";" })).toEqual(
        two
      )
    }))

  it.effect("takes rows of one picture as samples, or joined as captions of one", () =>
    Effect.gen(function* () {
      const tsv = "0000.png\ta\n0000.png\tb\n0001.png\tc\n0000.png\td\n"
      expect((yield* contentsOf("a.tsv", tsv)).map(([key]) => key)).toHaveLength(4)
      expect(yield* contentsOf("a.tsv", tsv, { samePicture: "join" })).toEqual([
        ["0000.png", 0, "a", "b"],
        ["0001.png", 1, "c"],
        ["0000.png", 0, "d"]
      ])
    }))

  it.effect("finds pictures from imageRoot, and as absolute paths", () =>
    Effect.gen(function* () {
      const pictures = yield* folderWith("unused.txt", "")
      const imageRoot = pictures.slice(0, pictures.lastIndexOf("/"))
      expect(yield* contentsOf("a.tsv", "0002.png\tx\n", { imageRoot })).toEqual([["0002.png", 2, "x"]])
      const absolute = `${imageRoot}/0001.png`
      expect(yield* contentsOf("a.tsv", `${absolute}\tx\n`)).toEqual([[absolute, 1, "x"]])
    }))

  it.effect("says file, row, line and column of a bad row, and goes on after it where the policy skips", () =>
    Effect.gen(function* () {
      const csv = 'image,caption\n0000.png,ok\n"0001.png",a,b\n0001.png,"x"y\n,z\n0001.png, \nhttp://h/a.png,u\n' +
        "gone.png,v\nfolder\u001b[31m.png,w\n0002.png,ok\n"
      const reported: Array<[string, number | undefined, string | undefined]> = []
      const messages: Array<string> = []
      const onBadSample = {
        policy: "skip",
        ceiling: 100,
        report: (error: { reason: string; row?: number; column?: string; message: string }) =>
          Effect.sync(() => {
            reported.push([error.reason, error.row, error.column])
            messages.push(error.message)
          })
      } as const
      const good = yield* contentsSkipping(csv, onBadSample)
      expect(good).toEqual(["0000.png", "0002.png"])
      expect(reported).toEqual([
        ["badRow", 2, undefined],
        ["badRow", 3, "column 2"],
        ["missingImage", 4, "image"],
        ["missingCaption", 5, "caption"],
        ["missingImage", 6, undefined],
        ["missingImage", 7, undefined],
        ["missingImage", 8, undefined]
      ])
      expect(messages[0]).toMatch(/row 2 \(line 3\) of ".*a\.csv": expected 2 fields as in the first row, got 3/)
      expect(messages[4]).toContain("img2dataset")
      // deno-lint-ignore no-control-regex
      expect(messages.join("")).not.toMatch(/[\x00-\x1f]/)
      expect(yield* failureOf("a.csv", csv)).toMatchObject({ _tag: "SampleError", reason: "badRow", row: 2 })
    }))

  const contentsSkipping = (csv: string, onBadSample: NonNullable<CaptionTableOptions["onBadSample"]>) =>
    Effect.map(
      Effect.flatMap(folderWith("a.csv", csv), (file) => Effect.flatMap(captionTable(file, { onBadSample }), readAll)),
      (samples) => samples.map(({ key }) => key)
    )

  it.effect("says what columns it looked for and which there are", () =>
    Effect.gen(function* () {
      const error = yield* failureOf("a.csv", "id,words\n1,a\n")
      expect(error).toMatchObject({ _tag: "TableError", reason: "columns" })
      expect(error.message).toMatch(/one of image_path, .*caption.*got "id", "words".*columns: \{ image, captions \}/)
      const named = yield* failureOf("a.csv", "image,words\na,b\n", { columns: { captions: "said" } })
      expect(named.message).toContain('captions ("said")')
    }))

  it.effect("refuses what is no table: each with its reason", () =>
    Effect.gen(function* () {
      const reasonOf = (name: string, table: string | Uint8Array, options?: CaptionTableOptions) =>
        Effect.map(failureOf(name, table, options), (error) => [error._tag, error.reason])
      expect(yield* reasonOf("a.xls", "")).toEqual(["TableError", "format"])
      expect(yield* reasonOf("a.csv", "")).toEqual(["TableError", "empty"])
      expect(yield* reasonOf("a.csv", "image,caption\n")).toEqual(["TableError", "empty"])
      expect(yield* reasonOf("a.csv", 'image,caption\na.png,"open\nb.png,x\n')).toEqual(["TableError", "quoting"])
      expect(yield* reasonOf("a.tsv", "x".repeat(300), { maxRowBytes: 100 })).toEqual(["TableError", "tooLong"])
      expect(yield* reasonOf("a.csv.gz", "image,caption\n")).toEqual(["TableError", "format"])
      expect(yield* reasonOf("a.csv.gz", gzipSync("x".repeat(1000)), { maxTableBytes: 100 })).toEqual([
        "TableError",
        "tooLong"
      ])
      expect(yield* reasonOf("a.parquet", "PAR1 it is not PAR1")).toEqual(["TableError", "format"])
      expect(yield* reasonOf("a.jsonl", "{image: 1}\n")).toEqual(["TableError", "columns"])
      const missing = yield* Effect.flip(captionTable("/nowhere/a.csv"))
      expect(missing).toMatchObject({ _tag: "TableError", reason: "missing", file: "/nowhere/a.csv" })
    }))

  it.effect("has the order of (seed, epoch), from any cursor on the rest, with any number of decoders", () =>
    Effect.gen(function* () {
      const file = yield* folderWith("a.tsv", rowsOf(300).replaceAll(/\d+\.png/g, "0001.png"))
      const [one, many] = [yield* captionTable(file, { concurrency: 1 }), yield* captionTable(file, { concurrency: 7 })]
      const plan = shuffled(3, 64)
      const options = { batchSize: 10, lastBatch: "keep" } as const
      const captionsFrom = (table: CaptionTable, delivered: number, epoch = 0) =>
        Effect.map(
          Stream.runCollect(batches(table, plan, { epoch, delivered }, { ...options, epochs: epoch + 1 })),
          (all) => all.flatMap(({ samples }) => samples.map(({ captions }) => captions[0]))
        )
      const whole = yield* captionsFrom(one, 0)
      expect(new Set(whole).size).toBe(300)
      expect(whole).not.toEqual(whole.toSorted())
      expect(yield* captionsFrom(many, 0)).toEqual(whole)
      expect(yield* captionsFrom(one, 0, 1)).not.toEqual(whole)
      for (const delivered of [64, 257, 299]) {
        expect(yield* captionsFrom(many, delivered)).toEqual(whole.slice(delivered))
      }
    }))

  it.effect("notices that a table changed: in the fingerprint, and while it is in use", () =>
    Effect.gen(function* () {
      const file = yield* folderWith("a.tsv", rowsOf(3))
      const at = file.lastIndexOf("/")
      const [table, again] = [yield* captionTable(file), yield* captionTable(file)]
      const fingerprint = yield* (table.fingerprint ?? Effect.succeed(""))
      expect(yield* (again.fingerprint ?? Effect.succeed(""))).toBe(fingerprint)
      yield* writeFile(text(rowsOf(3).replace("picture 2", "Picture 2")), file.slice(0, at), file.slice(at + 1))
      const other = yield* captionTable(file)
      expect(yield* (other.fingerprint ?? Effect.succeed(""))).not.toBe(fingerprint)
      expect(yield* Effect.flip(readAll(table))).toMatchObject({ _tag: "TableError", reason: "changed" })
    }))

  it.effect("delivers every row of any table once an epoch", () =>
    Effect.gen(function* () {
      const context = yield* Effect.context<Effect.Services<ReturnType<typeof folderWith>>>()
      yield* Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(
            fc.integer({ min: 1, max: 700 }),
            fc.integer({ min: 1, max: 300 }),
            fc.nat(),
            async (count, windowSize, seed) => {
              const keys = Effect.gen(function* () {
                const dir = yield* directory
                const rows = Array.from({ length: count }, (_, i) => `{"image":"${i}.png","caption":"c"}\n`).join("")
                yield* writeFile(text(rows), dir, "a.jsonl")
                const seen: Array<string> = []
                const onBadSample = {
                  policy: "skip",
                  ceiling: 1000,
                  report: ({ key }: { key: string }) => Effect.sync(() => void seen.push(key))
                } as const
                const table = yield* captionTable(`${dir}/a.jsonl`, { onBadSample })
                yield* Effect.provide(windowKeys(table, shuffled(seed, windowSize), start), services)
                return seen
              })
              const seen = await Effect.runPromiseWith(context)(Effect.scoped(keys))
              expect(seen.toSorted((a, b) => Number.parseInt(a) - Number.parseInt(b))).toEqual(
                Array.from({ length: count }, (_, i) => `${i}.png`)
              )
            }
          ),
          { numRuns: 10 }
        )
      )
    }))

  it.effect("knows its number of samples in its type", () =>
    Effect.sync(() => expectTypeOf<CaptionTable["numSamples"]>().toEqualTypeOf<number>()))
})
