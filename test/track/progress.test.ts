import { it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { describe, expect } from "vitest"
import {
  type LogEntry,
  Progress,
  progressBar,
  progressLayer,
  progressLine,
  type ProgressOptions,
  silentProgress,
  summarize
} from "../../lib/track/index.ts"

const entry: LogEntry = {
  ...{ step: 1, loss: 3.5, accuracy: 0.5, lr: 1e-3, logitScale: 14, gradNorm: 2, lambda: { "visual.0": 0.8 } },
  ...{ pairsPerSecond: 412.3, dataWaitMs: 2, peakBytes: 1e8 }
}
const validation = {
  ...{ step: 1, protocol: "zero-shot", dataset: "held out\u001b[2J", n: 10, metric: "top1", isBest: true },
  validation: { top1: 0.25 },
  chance: { top1: 0.1 }
}
const summary = summarize([entry], [validation], { status: "finished", totalSteps: 2, pairsPerStep: 16 })
const at = (step: number, totalSteps = 100) => ({ step, totalSteps, loss: 3.5, pairsPerSecond: 412.3 })

/** Runs a program against a sink and gives what was written. */
const written = (options: Partial<ProgressOptions>, program: Effect.Effect<void, never, Progress>) => {
  const pieces: Array<string> = []
  const write = (text: string) => Effect.sync(() => void pieces.push(text))
  const layer = progressLayer({ write, isTTY: false, columns: () => 80, ...options })
  return Effect.exit(Effect.provide(program, layer)).pipe(Effect.as(pieces))
}
const step = (n: number, total?: number) => Effect.flatMap(Progress, (progress) => progress.step(at(n, total)))
const note = (text: string) => Effect.flatMap(Progress, (progress) => progress.note(text))

describe("the progress line", () => {
  it("is never wider than the terminal and always tells the step where it fits", () => {
    fc.assert(fc.property(fc.nat(100), fc.integer({ min: 1, max: 200 }), (done, columns) => {
      const line = progressLine({ ...at(done), secondsLeft: 61 }, columns)
      expect(Array.from(line).length).toBeLessThanOrEqual(columns)
      if (columns >= 8) expect(line).toContain(`${done}/100`)
    }))
  })
  it("has a bar that grows with the share and keeps its width", () => {
    expect([progressBar(0, 4), progressBar(0.5, 4), progressBar(0.53, 4), progressBar(7, 4), progressBar(NaN, 4)])
      .toEqual([
        "····",
        "██··",
        "██▏·",
        "████",
        "····"
      ])
  })
})

describe("progress on a terminal", () => {
  it.effect("redraws one line, at most ten times a second, and ends it with the last step", () =>
    Effect.gen(function* () {
      const pieces = yield* written(
        { isTTY: true },
        Effect.gen(function* () {
          yield* step(1)
          yield* TestClock.adjust("50 millis")
          yield* step(2)
          yield* TestClock.adjust("1950 millis")
          yield* step(3)
          yield* step(100)
        })
      )
      expect(pieces).toHaveLength(3)
      expect(pieces.every((piece) => piece.startsWith("\r\u001b[K"))).toBe(true)
      expect(pieces[0]).toContain("–:–– left")
      expect(pieces[1]).toContain("3/100  loss 3.5000  412 pairs/s  1:37 left")
      expect(pieces[2]?.endsWith("\n")).toBe(true)
    }))
  it.effect("leaves the terminal on a fresh line when the run is interrupted", () =>
    Effect.gen(function* () {
      const pieces = yield* written({ isTTY: true }, Effect.andThen(step(1), Effect.interrupt))
      expect(pieces.at(-1)).toBe("\n")
    }))
  it.effect("a note takes the bar's place without its control characters", () =>
    Effect.gen(function* () {
      const pieces = yield* written({ isTTY: true }, step(1).pipe(Effect.andThen(note("bad\u001b[2J\nkey"))))
      expect(pieces[1]).toBe("\r\u001b[Kbad[2J key\n")
      expect(pieces).toHaveLength(2)
    }))
})

describe("progress elsewhere", () => {
  it.effect("writes the first step, the last, and a line every ten seconds", () =>
    Effect.gen(function* () {
      const pieces = yield* written(
        {},
        Effect.gen(function* () {
          for (let n = 1; n <= 100; n++) {
            yield* step(n)
            yield* TestClock.adjust("500 millis")
          }
        })
      )
      expect(pieces.map((line) => Number(/step +(\d+)/.exec(line)?.[1]))).toEqual([1, 21, 41, 61, 81, 100])
      expect(pieces[1]).toBe("step  21/100  loss 3.5000  412 pairs/s  0:40 left  (21 %)\n")
      expect(pieces.join("")).not.toContain("\r")
    }))
  it.effect("writes every step as a line of JSON where asked, notes too", () =>
    Effect.gen(function* () {
      const pieces = yield* written({ format: "json" }, Effect.all([step(1, 2), note("hi\u0007"), step(2, 2)]))
      expect(pieces.map((line) => JSON.parse(line))).toEqual([
        { type: "step", step: 1, totalSteps: 2, loss: 3.5, pairsPerSecond: 412.3 },
        { type: "note", message: "hi" },
        { type: "step", step: 2, totalSteps: 2, loss: 3.5, pairsPerSecond: 412.3, secondsLeft: 0 }
      ])
    }))
  it.effect("writes validations, checkpoints and the summary as JSON, and notes elsewhere where asked", () =>
    Effect.gen(function* () {
      const notes: Array<string> = []
      const writeNote = (text: string) => Effect.sync(() => void notes.push(text))
      const pieces = yield* written(
        { format: "json", writeNote },
        Effect.flatMap(Progress, (progress) =>
          Effect.all([
            progress.step({ ...at(1, 2), entry }),
            progress.note("hi\u0007"),
            progress.validated(validation),
            progress.saved(1, "runs/a/checkpoints/step-1"),
            progress.ended(summary)
          ], { discard: true }))
      )
      expect(pieces.map((line) => JSON.parse(line))).toEqual([
        { type: "step", totalSteps: 2, ...entry },
        { type: "validate", ...validation },
        { type: "checkpoint", step: 1, folder: "runs/a/checkpoints/step-1" },
        { type: "summary", ...summary }
      ])
      expect(notes).toEqual(["hi\n"])
    }))
  it.effect("says a validation and the summary in lines of text, and nothing of checkpoints", () =>
    Effect.gen(function* () {
      const pieces = yield* written(
        {},
        Effect.flatMap(
          Progress,
          (progress) =>
            Effect.all([progress.validated(validation), progress.saved(1, "a"), progress.ended(summary)], {
              discard: true
            })
        )
      )
      expect(pieces[0]).toBe("step 1  top1 25.0 % (chance 10.0 %) on held out[2J  best so far\n")
      expect(pieces[1]?.split("\n").slice(0, 2)).toEqual(["trained", "  steps        1 of 2 (16 pairs)"])
      expect(pieces).toHaveLength(2)
    }))
  it.effect("paints a terminal where it may, and no pipe", () =>
    Effect.gen(function* () {
      const ended = Effect.flatMap(Progress, (progress) => progress.ended(summary))
      const program = Effect.andThen(step(1, 2), ended)
      const painted = yield* written({ isTTY: true, hasColor: true }, program)
      expect(painted.join("")).toContain("\u001b[36m")
      expect(painted.join("")).toContain("\u001b[1mtrained\u001b[22m")
      for (const options of [{ isTTY: true }, { isTTY: false, hasColor: true }]) {
        expect((yield* written(options, program)).join("").replaceAll("\u001b[K", "")).not.toContain("\u001b")
      }
    }))
  it.effect("reckons the time left anew for another series of steps", () =>
    Effect.gen(function* () {
      const pieces = yield* written(
        { lineMs: 0 },
        Effect.gen(function* () {
          yield* step(50)
          yield* TestClock.adjust("10 seconds")
          yield* step(1, 7)
        })
      )
      expect(pieces[1]).toContain("1/7  loss 3.5000  412 pairs/s  –:–– left")
    }))
  it.effect("can be silent", () => Effect.provide(Effect.andThen(step(1), note("x")), silentProgress))
})
