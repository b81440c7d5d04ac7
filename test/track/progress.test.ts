import { it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { describe, expect } from "vitest"
import {
  Progress,
  progressBar,
  progressLayer,
  progressLine,
  type ProgressOptions,
  silentProgress
} from "../../lib/track/index.ts"

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
