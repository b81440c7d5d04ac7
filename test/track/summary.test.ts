import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type LogEntry, median, summarize, summaryJson, summaryRows, summaryText } from "../../lib/track/index.ts"
import { anyText } from "./tags.ts"

const entry = (step: number, loss: number, pairsPerSecond: number, peakBytes: number): LogEntry => ({
  ...{ step, loss, accuracy: 0.1, lr: 1e-3, logitScale: 14, gradNorm: 1, lambda: {}, dataWaitMs: 0 },
  pairsPerSecond,
  peakBytes
})
const validation = (step: number, top1: number, isBest: boolean) => ({
  ...{ step, protocol: "zero-shot", dataset: "d", n: 10, metric: "top1", isBest },
  validation: { top1 },
  chance: { top1: 0.1 }
})
const facts = { status: "finished" as const, totalSteps: 100, pairsPerStep: 16 }

describe("the summary", () => {
  it("says nothing that is not in the log", () => {
    const line = fc.record({
      loss: fc.double({ min: 0, max: 10, noNaN: true }),
      pairsPerSecond: fc.double({ min: 0.1, max: 1e4, noNaN: true }),
      peakBytes: fc.nat()
    })
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 7 }), (lines, every) => {
        const log = lines.map((one, i) => entry((i + 1) * every, one.loss, one.pairsPerSecond, one.peakBytes))
        const summary = summarize(log, [], facts)
        expect(summary.step).toBe(lines.length * every)
        expect(summary.pairs).toBe(lines.length * every * 16)
        expect([summary.firstLoss, summary.lastLoss]).toEqual([lines.at(0)?.loss, lines.at(-1)?.loss])
        expect(summary.peakBytes).toBe(Math.max(...lines.map(({ peakBytes }) => peakBytes)))
        expect(summary.seconds).toBeCloseTo(lines.reduce((sum, one) => sum + 16 * every / one.pairsPerSecond, 0), 6)
        const speed = summary.pairsPerSecond ?? NaN
        expect(lines.filter((one) => one.pairsPerSecond <= speed).length * 2).toBeGreaterThanOrEqual(lines.length)
        expect(lines.filter((one) => one.pairsPerSecond >= speed).length * 2).toBeGreaterThanOrEqual(lines.length)
      })
    )
  })
  it("names the last validation that was better than all before, whichever way better is", () => {
    const asked = [validation(10, 0.5, true), validation(20, 0.3, true), validation(30, 0.4, false)]
    expect(summarize([], asked, facts).best).toEqual({ metric: "top1", value: 0.3, step: 20, chance: 0.1 })
  })
  it("of an empty log has no figure that needs a step", () => {
    const summary = summarize([], [], facts)
    expect(summary).toEqual({ ...facts, step: 0, pairs: 0, seconds: 0 })
    expect(summaryRows(summary).map(({ name }) => name)).toEqual(["steps", "time"])
  })
  it("reads as a table, and as one object with the same figures", () => {
    const log = [entry(1, 4.5, 100, 2e9), entry(2, 3.25, 300, 1e9), entry(3, 2.125, 200, 1e9)]
    const told = {
      ...facts,
      seconds: 75,
      checkpoint: "runs/a/checkpoints/step-3",
      numSkipped: 2,
      report: "runs/a/report.html"
    }
    const summary = summarize(log, [validation(2, 0.25, true)], told)
    expect(summaryText(summary)).toBe(
      [
        "trained",
        "  steps            3 of 100 (48 pairs)",
        "  time             1:15",
        "  speed            200 pairs/s (median)",
        "  loss             4.5000 → 2.1250",
        "  best             right at first guess 25.0 % at step 2 (chance 10.0 %)",
        "  peak memory      2 GB",
        "  skipped samples  2",
        "  checkpoint       runs/a/checkpoints/step-3",
        "  report           runs/a/report.html"
      ].join("\n")
    )
    expect(JSON.parse(summaryJson(summary))).toMatchObject({
      type: "summary",
      step: 3,
      lastLoss: 2.125,
      peakBytes: 2e9
    })
  })
  it("lets no foreign word write to the terminal", () => {
    fc.assert(fc.property(anyText, (text) => {
      const best = { ...validation(1, 0.5, true), metric: text, validation: { [text]: 0.5 }, chance: { [text]: 0.1 } }
      const shown = summaryText(summarize([], [best], { ...facts, checkpoint: text, report: text }))
      expect(shown.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u)
      expect(shown.split("\n").length).toBeLessThanOrEqual(6)
    }))
  })
  it("takes the middle of what is finite as the median", () => {
    expect(median([3, NaN, 1, 2])).toBe(2)
    expect(median([4, 1])).toBe(2.5)
    expect(median([NaN])).toBeNaN()
  })
})
