import { NodeServices } from "@effect/platform-node"
import { it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { describe, expect } from "vitest"
import { beginSession, endSession, type LogEntry, readSessions, secondsOf, statusOf } from "../../lib/track/index.ts"

const begin = (atMs: number, step: number) => ({
  ...{ atMs, step, command: "diffclip train", library: "0.1.0", runtime: "Node.js/22", enginePath: "cpu-wasm" },
  ...{ engine: "backend cpu", numParameters: 7, numSamples: null }
})
const withFile = <A, E>(use: (file: string, fs: FileSystem.FileSystem) => Effect.Effect<A, E, FileSystem.FileSystem>) =>
  Effect.scoped(Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    return yield* use(`${yield* fs.makeTempDirectoryScoped()}/sessions.jsonl`, fs)
  })).pipe(Effect.provide(NodeServices.layer))
const entry = (step: number): LogEntry => ({
  ...{ step, loss: 1, accuracy: 0, lr: 1, logitScale: 1, gradNorm: 1, lambda: {}, dataWaitMs: 0, peakBytes: 0 },
  pairsPerSecond: 8
})

describe("sessions", () => {
  it.effect("come back in their order; a run without an end is unfinished, one with it as it ended", () =>
    withFile((file) =>
      Effect.gen(function* () {
        expect(yield* readSessions(file)).toEqual([])
        yield* beginSession(file, begin(1000, 0), true)
        expect(statusOf(yield* readSessions(file))).toBe("unfinished")
        yield* endSession(file, { atMs: 5000, step: 4, status: "stopped" })
        yield* beginSession(file, begin(9000, 4), false)
        yield* endSession(file, { atMs: 10_000, step: 6, status: "finished" })
        const sessions = yield* readSessions(file)
        expect(sessions.map((one) => one.begin)).toEqual([begin(1000, 0), begin(9000, 4)])
        expect(statusOf(sessions)).toBe("finished")
        expect(secondsOf(sessions, [], 16)).toBe(5)
        yield* beginSession(file, begin(20_000, 0), true)
        expect(yield* readSessions(file)).toHaveLength(1)
      })
    ))
  it.effect("of a killed process are as long as the steps in the log", () =>
    withFile((file) =>
      Effect.gen(function* () {
        yield* beginSession(file, begin(0, 0), true)
        yield* beginSession(file, begin(99_000, 4), false)
        yield* endSession(file, { atMs: 100_000, step: 6, status: "finished" })
        const log = [1, 2, 3, 4, 5, 6].map(entry)
        expect(secondsOf(yield* readSessions(file), log, 16)).toBe(4 * 16 / 8 + 1)
      })
    ))
  it.effect("pass over a line that a killed process left unfinished, and refuse any other rubbish", () =>
    withFile((file, fs) =>
      Effect.gen(function* () {
        yield* beginSession(file, begin(0, 0), true)
        yield* fs.writeFileString(file, '{"type":"end","atMs":50', { flag: "a" })
        yield* beginSession(file, begin(60, 2), false)
        expect((yield* readSessions(file)).map((one) => one.begin.step)).toEqual([0, 2])
        yield* fs.writeFileString(file, "rubbish\n{}\n", { flag: "a" })
        expect(yield* Effect.flip(readSessions(file))).toMatchObject({
          _tag: "LogError",
          reason: "line",
          line: 4,
          file
        })
      })
    ))
})
