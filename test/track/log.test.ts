import { NodeServices } from "@effect/platform-node"
import { it } from "@effect/vitest"
import { Effect, FileSystem, PlatformError } from "effect"
import fc from "fast-check"
import { describe, expect } from "vitest"
import {
  cutAfter,
  type LogEntry,
  LogError,
  logLine,
  openLog,
  parseLogLine,
  readLog,
  readValidation,
  type ValidationEntry,
  validationFileOf,
  validationLine
} from "../../lib/track/index.ts"

const entry = (step: number): LogEntry => ({
  step,
  loss: 4.85 / step,
  accuracy: 0.01,
  lr: 1e-3,
  logitScale: 14.285714285714286,
  gradNorm: 2.5,
  lambda: { "visual.0": 0.8, "text.0": 0.79 },
  pairsPerSecond: 400.5,
  dataWaitMs: 3,
  peakBytes: 123456789
})
const validation = (step: number): ValidationEntry => ({
  ...{ step, protocol: "retrieval", dataset: "held-out", n: 40, metric: "top1", isBest: step < 3 },
  validation: { top1: 0.1 * step, top5: NaN },
  chance: { top1: 0.025 }
})
const entries = [1, 2, 3, 4, 5].map(entry)

/** Runs a test with the path of a log in a folder of its own. */
const withLog = <A, E>(use: (file: string, fs: FileSystem.FileSystem) => Effect.Effect<A, E, FileSystem.FileSystem>) =>
  Effect.scoped(Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    return yield* use(`${yield* fs.makeTempDirectoryScoped()}/log.jsonl`, fs)
  })).pipe(Effect.provide(NodeServices.layer))
const write = (file: string, items: ReadonlyArray<LogEntry>) =>
  Effect.scoped(Effect.flatMap(openLog(file), (log) => Effect.forEach(items, log.append, { discard: true })))

describe("log lines", () => {
  it("have exactly the ten keys in their order", () => {
    const keys = ["step", "loss", "accuracy", "lr", "logitScale", "gradNorm", "lambda"]
    expect(Object.keys(JSON.parse(logLine({ ...entry(1), ...{ other: 1 } })))).toEqual([
      ...keys,
      "pairsPerSecond",
      "dataWaitMs",
      "peakBytes"
    ])
  })
  it("come back as they were, to the bit; what is not finite comes back as NaN", () => {
    const figure = fc.double({ noNaN: true, noDefaultInfinity: true }).map((x) => x + 0)
    fc.assert(fc.property(figure, fc.dictionary(fc.string(), figure), (loss, lambda) => {
      const written = { ...entry(1), loss, lambda: Object.fromEntries(Object.entries(lambda)) }
      expect(parseLogLine(logLine(written))).toEqual(written)
    }))
    expect(parseLogLine(logLine({ ...entry(1), gradNorm: Infinity }))?.gradNorm).toBeNaN()
  })
  it("that miss a key, hold another type or are torn are no entries", () => {
    const whole = logLine(entry(1)).trim()
    for (const line of ["", "7", "[]", "{}", whole.replace('"lr"', '"rate"'), whole.replace("0.001", '"a"')]) {
      expect(parseLogLine(line)).toBeUndefined()
    }
    for (let end = 0; end < whole.length; end++) expect(parseLogLine(whole.slice(0, end))).toBeUndefined()
  })
})

describe("the log", () => {
  it.effect("keeps what two openings appended; every line is there before the file is closed", () =>
    withLog((file, fs) =>
      Effect.gen(function* () {
        yield* write(file, entries.slice(0, 2))
        yield* Effect.scoped(Effect.gen(function* () {
          const log = yield* openLog(file)
          yield* log.append(entry(3))
          expect((yield* fs.readFileString(file)).split("\n")).toHaveLength(4)
        }))
        expect(yield* readLog(file)).toEqual(entries.slice(0, 3))
      })
    ))
  it.effect("cut after a step goes on as if it had never run further, wherever its last line was torn", () =>
    withLog((file, fs) =>
      Effect.gen(function* () {
        const whole = entries.map(logLine).join("")
        const lastLine = whole.length - logLine(entry(5)).length
        for (let end = lastLine; end <= whole.length; end += 37) {
          yield* fs.writeFileString(file, whole.slice(0, end))
          expect(yield* cutAfter(file, 3)).toBe(3)
          yield* write(file, entries.slice(3))
          expect(yield* fs.readFileString(file)).toBe(whole)
        }
        expect(yield* fs.readDirectory(file.replace(/\/[^/]*$/, ""))).toEqual(["log.jsonl"])
      })
    ))
  it.effect("validations have a file of their own, which is cut at the same step and survives a torn line", () =>
    withLog((file, fs) =>
      Effect.gen(function* () {
        expect(yield* readValidation(file)).toEqual([])
        yield* write(file, entries)
        const asked = [2, 4].map(validation)
        yield* Effect.scoped(Effect.flatMap(openLog(file), (log) => Effect.forEach(asked, log.appendValidation)))
        expect(yield* readValidation(file)).toEqual(asked)
        expect((yield* readLog(file)).length).toBe(5)
        yield* fs.writeFileString(validationFileOf(file), '{"step":6,"prot', { flag: "a" })
        expect(yield* cutAfter(file, 3)).toBe(3)
        expect(yield* readValidation(file)).toEqual([validation(2)])
        expect(yield* readLog(file)).toEqual(entries.slice(0, 3))
        expect(yield* cutAfter(file, 0)).toBe(0)
        expect(yield* fs.readFileString(validationFileOf(file))).toBe("")
      })
    ))
  it.effect("a broken validation is a typed error with its file and line, and neither file is cut", () =>
    withLog((file, fs) =>
      Effect.gen(function* () {
        yield* write(file, entries)
        const beside = validationFileOf(file)
        yield* fs.writeFileString(beside, `${validationLine(validation(1))}{"step":2}\n`)
        const error = yield* Effect.flip(cutAfter(file, 1))
        expect(error).toMatchObject({ _tag: "LogError", reason: "line", line: 2, file: beside })
        expect((yield* readLog(file)).length).toBe(5)
      })
    ))
  it.effect("cut at zero starts afresh whatever was there; an absent log stays absent", () =>
    withLog((file, fs) =>
      Effect.gen(function* () {
        expect(yield* cutAfter(file, 3)).toBe(0)
        expect(yield* fs.exists(file)).toBe(false)
        yield* fs.writeFileString(file, "rubbish\nmore\n")
        expect(yield* cutAfter(file, 0)).toBe(0)
        expect(yield* fs.readFileString(file)).toBe("")
      })
    ))
  it.effect("a broken line in the middle is a typed error with its number, and nothing is cut", () =>
    withLog((file, fs) =>
      Effect.gen(function* () {
        const text = `${logLine(entry(1))}oops\n${logLine(entry(2))}`
        yield* fs.writeFileString(file, text)
        const error = yield* Effect.flip(cutAfter(file, 1))
        expect(error).toBeInstanceOf(LogError)
        expect(error).toMatchObject({ reason: "line", line: 2, file })
        expect(yield* fs.readFileString(file)).toBe(text)
      })
    ))
  it.effect("a full disk is a typed error", () =>
    Effect.gen(function* () {
      const full = PlatformError.systemError({ _tag: "WriteZero", module: "FileSystem", method: "open" })
      const layer = FileSystem.layerNoop({ open: () => Effect.fail(full) })
      const error = yield* Effect.flip(Effect.provide(Effect.scoped(openLog("runs/log.jsonl")), layer))
      expect(error).toMatchObject({ _tag: "LogError", reason: "io", file: "runs/log.jsonl" })
      expect(error.message).toContain("the space left")
    }))
})
