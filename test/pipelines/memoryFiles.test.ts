import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, FileSystem, Path, type PlatformError, type Scope } from "effect"
import { mkdirSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { memoryFiles } from "../../pipelines/memoryFiles.ts"
import { temporary } from "./tiny.ts"

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

type Step = (fs: FileSystem.FileSystem, at: (path: string) => string) => Effect.Effect<
  unknown,
  PlatformError.PlatformError,
  Scope.Scope
>

/** What the run directory, the checkpoints and the log ask of files, and what they are refused. */
const steps: Readonly<Record<string, Step>> = {
  "a folder within folders": (fs, at) =>
    Effect.asVoid(fs.makeDirectory(at("run/checkpoints/step-1.new"), { recursive: true })),
  "the same again": (fs, at) => fs.makeDirectory(at("run/checkpoints"), { recursive: true }),
  "the same again, not recursive": (fs, at) => fs.makeDirectory(at("run/checkpoints")),
  "a folder in none": (fs, at) => fs.makeDirectory(at("other/inner")),
  "a file in no folder": (fs, at) => fs.writeFileString(at("other/file"), "x"),
  "a file to be read that is not there": (fs, at) => fs.open(at("run/absent"), { flag: "r" }),
  "lines that are appended": (fs, at) =>
    Effect.gen(function* () {
      const log = yield* fs.open(at("run/log.jsonl"), { flag: "a" })
      for (const line of ["one\n", "two\n", "three\n"]) yield* log.writeAll(encode(line))
      yield* log.sync
      yield* fs.writeFileString(at("run/log.jsonl"), "four\n", { flag: "a" })
      return yield* fs.readFileString(at("run/log.jsonl"))
    }),
  "a file written in pieces and read at places": (fs, at) =>
    Effect.gen(function* () {
      const written = yield* fs.open(at("run/checkpoints/step-1.new/model"), { flag: "w" })
      for (const piece of ["abc", "defgh", ""]) yield* written.writeAll(encode(piece))
      const handle = yield* fs.open(at("run/checkpoints/step-1.new/model"), { flag: "r" })
      const buffer = new Uint8Array(3)
      const counts = [
        yield* handle.read(buffer),
        yield* handle.read(buffer.subarray(1), { position: 6n }),
        yield* handle.read(buffer, { position: 8n })
      ]
      return [counts, [...buffer], (yield* handle.stat).size, (yield* handle.stat).type]
    }),
  "a folder renamed, with what is in it": (fs, at) =>
    Effect.gen(function* () {
      yield* fs.rename(at("run/checkpoints/step-1.new"), at("run/checkpoints/step-1"))
      return [
        yield* fs.readDirectory(at("run/checkpoints")),
        yield* fs.readFileString(at("run/checkpoints/step-1/model")),
        yield* fs.exists(at("run/checkpoints/step-1.new"))
      ]
    }),
  "a file renamed over another": (fs, at) =>
    Effect.gen(function* () {
      yield* fs.writeFileString(at("run/config.json"), "old and long")
      yield* fs.writeFileString(at("run/config.json.part"), "new")
      yield* fs.rename(at("run/config.json.part"), at("run/config.json"))
      return [yield* fs.readFileString(at("run/config.json")), (yield* fs.readDirectory(at("run"))).sort()]
    }),
  "what is renamed that is not there": (fs, at) => fs.rename(at("run/absent"), at("run/x")),
  "what is removed that is not there": (fs, at) => fs.remove(at("run/absent")),
  "the same by force": (fs, at) => fs.remove(at("run/absent"), { force: true }),
  "a folder removed, with what is in it": (fs, at) =>
    Effect.gen(function* () {
      yield* fs.remove(at("run/checkpoints"), { recursive: true, force: true })
      return [yield* fs.exists(at("run/checkpoints/step-1/model")), (yield* fs.readDirectory(at("run"))).sort()]
    }),
  "the size of a folder that is not there": (fs, at) => fs.stat(at("run/checkpoints")),
  "a file as a stream of pieces": (fs, at) => fs.readFile(at("run/../run//./config.json"))
}

const outcomes = (folder: string): Effect.Effect<
  Readonly<Record<string, unknown>>,
  never,
  FileSystem.FileSystem
> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const found: Record<string, unknown> = {}
    for (const [name, step] of Object.entries(steps)) {
      found[name] = yield* Effect.scoped(step(fs, (path) => `${folder}/${path}`)).pipe(
        Effect.map((value) => value instanceof Uint8Array ? [...value] : value),
        Effect.catch(({ reason }) => Effect.succeed(`failed: ${reason._tag}`))
      )
    }
    // An open file is no value, and what a call without a result gives is nobody's business.
    return JSON.parse(JSON.stringify(found, (_, value) => typeof value === "bigint" ? `${value}` : value ?? null))
  })

describe("files in memory", () => {
  it("answer and refuse as files on a disk do", async () => {
    const folder = temporary()
    mkdirSync(folder, { recursive: true })
    const onDisk = await Effect.runPromise(outcomes(folder).pipe(Effect.provide(NodeServices.layer)))
    const made = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeDirectory(folder, { recursive: true }))
    const inMemory = await Effect.runPromise(
      Effect.andThen(Effect.orDie(made), outcomes(folder)).pipe(Effect.provide(memoryFiles))
    )
    expect(inMemory).toEqual(onDisk)
    expect(Object.values(onDisk).filter((value) => String(value).startsWith("failed: "))).toHaveLength(7)
  })

  it("paths are taken from / where a process has no folder to stand in", () => {
    const resolved = Effect.map(Path.Path, (path) => [path.resolve("run", "../a"), path.relative("a/b", "a/c")])
    expect(Effect.runSync(resolved.pipe(Effect.provide(memoryFiles)))).toEqual(["/a", "../c"])
  })
})
