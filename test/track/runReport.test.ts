import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  type ComparedRun,
  comparisonText,
  configDifferences,
  finalRows,
  isRunPage,
  type LogEntry,
  renderComparison,
  renderReport,
  renderRunReport,
  type RunReport,
  summarize,
  uniqueNames
} from "../../lib/track/index.ts"
import { reportStyle } from "../../lib/track/reportStyle.ts"
import { anyText, checkTags } from "./tags.ts"

const logOf = (steps: number, layer = "visual.0"): ReadonlyArray<LogEntry> =>
  Array.from({ length: steps }, (_, i) => ({
    ...{ step: i + 1, loss: 4 - i / steps, accuracy: i / steps, lr: 1e-3, logitScale: 14, gradNorm: 10 ** (1 - i / 8) },
    ...{ lambda: { [layer]: 0.8 }, pairsPerSecond: 100, dataWaitMs: 2, peakBytes: 1e8 }
  }))

interface Options {
  readonly text?: string
  readonly steps?: number
  readonly pairsPerStep?: number
  readonly config?: unknown
}
const runOf = ({ text = "x", steps = 12, pairsPerStep = 8, config = { [text]: text } }: Options): RunReport => {
  const log = logOf(steps, text)
  const validation = [4, 8].map((step) => ({
    ...{ step, protocol: text, dataset: text, n: 10, metric: text, isBest: step === 4 },
    validation: { [text]: 0.5 - step / 100, top5: 0.6 },
    chance: { [text]: 0.1 }
  }))
  const told = { status: "finished", totalSteps: steps, pairsPerStep, checkpoint: text, report: text } as const
  return {
    ...{ name: text, log, validation, config, lossOfChance: Math.log(pairsPerStep) },
    summary: summarize(log, validation, told),
    facts: [{ name: text, value: text }, { name: "model", value: text }],
    environment: [{ name: text, value: text }]
  }
}
const isSafe = (page: string): void => {
  checkTags(page)
  expect(page).not.toMatch(/<(script|link|iframe|object|embed|form)|(?!\n)\p{Cc}|\u202e/iu)
  expect(page).not.toMatch(/(src|href)="/)
  expect(page).not.toMatch(/ (x|y|x1|x2|y1|y2|cx|cy|d)="[^"]*(NaN|Infinity)/)
}

describe("the page of a run", () => {
  it("is well-formed and runs and fetches nothing, whatever foreign texts it holds", () => {
    fc.assert(fc.property(anyText, (text) => isSafe(renderRunReport(runOf({ text })))), { numRuns: 40 })
  })
  it("has curves, throughput, validation with its best marked, the summary, where it ran and the settings", () => {
    const page = renderRunReport(runOf({}))
    for (
      const part of [
        ">Loss<",
        ">Gradient norm<small> (logarithmic)",
        "λ of each layer",
        ">Pairs per second<",
        ">Peak memory<",
        ">Validation<",
        ">best 46.0 %<",
        'class="best"',
        ">Where it ran<",
        "1 settings",
        '<th scope="row">loss</th><td>4.0000 → 3.0833</td>',
        "finished all 12 steps"
      ]
    ) expect(page).toContain(part)
  })
  it("tells those who hear it where each curve begins and ends, and unfolds its numbers", () => {
    const page = renderRunReport(runOf({}))
    expect(page).toContain("Learning rate over step. learning rate: from 0.001 at step 1 to 0.001 at step 12")
    expect(page).toMatch(/role="img" aria-label="Loss over step\. loss, smoothed: from/)
    expect(page).toMatch(/<summary>Numbers<\/summary>.*<th scope="row">12<\/th><td>3\.083<\/td>/s)
  })
  it("of a run without steps says so and draws nothing", () => {
    const page = renderRunReport({ ...runOf({ steps: 0 }), validation: [] })
    isSafe(page)
    expect(page).toContain("No steps yet")
    expect(page).not.toContain("<svg")
  })
  it("of a single step shows its points", () => {
    const page = renderRunReport(runOf({ steps: 1 }))
    isSafe(page)
    expect(page).toContain('class="dot"')
  })
  it("can be told from the page of another maker", () => {
    expect(isRunPage(renderRunReport(runOf({})))).toBe(true)
    expect(isRunPage(renderReport({ title: 'name="generator" content="diffclip run"', results: [] }))).toBe(false)
  })
})

const compared = (...runs: ReadonlyArray<Options>): ReadonlyArray<ComparedRun> => {
  const reports = runs.map(runOf)
  const names = uniqueNames(reports.map(({ name }) => name))
  return reports.map((run, i) => ({ ...run, name: names[i] ?? "" }))
}

describe("runs side by side", () => {
  it("make a well-formed page, whatever foreign texts it holds", () => {
    fc.assert(
      fc.property(
        anyText,
        fc.integer({ min: 0, max: 9 }),
        (text, steps) => isSafe(renderComparison(compared({ text, steps }, { text, pairsPerStep: 4 })))
      ),
      { numRuns: 30 }
    )
  })
  it("are compared at the last step that all have reached, and after the last pairs that all have seen", () => {
    const rows = finalRows(compared({ text: "a", steps: 12 }, { text: "b", steps: 40, pairsPerStep: 4 }))
    const named = (name: string) => rows.find((row) => row.name === name)?.cells
    expect(named("loss at the last step")).toEqual([
      { value: "3.0833" },
      { value: "3.0250", difference: "−0.0583" }
    ])
    expect(named("loss at step 12, smoothed")).toHaveLength(2)
    expect(named("loss after 96 pairs, smoothed")).toHaveLength(2)
    expect(named("b, last")).toEqual([{ value: "–" }, { value: "42.0 %" }])
    expect(named("time")?.[1]).toEqual({ value: "0:02", difference: "+0:01" })
  })
  it("choose between steps and pairs only where these differ", () => {
    expect(renderComparison(compared({}, { steps: 5 }))).not.toContain("<input")
    expect(renderComparison(compared({}, { steps: 5, pairsPerStep: 4 }))).toContain('id="by-pairs"')
  })
  it("list the fields that differ, and those only", () => {
    const runs = compared(
      { config: { model: { name: "tiny" }, train: { seed: 1, lr: [1, 2] } } },
      { config: { model: { name: "tiny" }, train: { seed: 2, lr: [1, 2], more: true } } }
    )
    expect(configDifferences(runs)).toEqual([
      { path: "train.seed", values: ["1", "2"] },
      { path: "train.more", values: [undefined, "true"] }
    ])
    expect(renderComparison(compared({}, {}))).toContain("Nothing: the runs have the same configuration.")
  })
  it("of one name are told apart", () => {
    expect(uniqueNames(["a", "b", "a", "a"])).toEqual(["a", "b", "a (2)", "a (3)"])
  })
  it("are a table in the terminal", () => {
    const hostile = comparisonText([{ name: "\u001b]0;title\u0007top\n1", cells: [{ value: "\u001b[2J1" }] }], [
      "\u001b[31ma"
    ])
    expect(hostile).toBe("               [31ma\n]0;titletop 1   [2J1")
    const table = comparisonText([{ name: "loss", cells: [{ value: "1.5" }, { value: "1", difference: "−0.5" }] }], [
      "a",
      "b"
    ])
    expect(table.split("\n")).toEqual(["        a         b", "loss  1.5  1 (−0.5)"])
  })
})

/** Sight by Machado, Oliveira and Fernandes 2009, table 1 at full severity: on linear RGB. */
const sights: Readonly<Record<string, ReadonlyArray<ReadonlyArray<number>>>> = {
  normal: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  protanopia: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  deuteranopia: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
  tritanopia: [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]]
}
const linear = (hex: string): ReadonlyArray<number> =>
  [1, 3, 5].map((i) => {
    const c = parseInt(hex.slice(i, i + 2), 16) / 255
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
  })
const times = (matrix: ReadonlyArray<ReadonlyArray<number>>, v: ReadonlyArray<number>): ReadonlyArray<number> =>
  matrix.map((row) => row.reduce((sum, m, i) => sum + m * (v[i] ?? 0), 0))
const oklab = (rgb: ReadonlyArray<number>): ReadonlyArray<number> =>
  times(
    [[0.2104542553, 0.793617785, -0.0040720468], [1.9779984951, -2.428592205, 0.4505937099], [
      0.0259040371,
      0.7827717662,
      -0.808675766
    ]],
    times(
      [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566], [
        0.0883024619,
        0.2817188376,
        0.6299787005
      ]],
      rgb.map((c) => Math.min(1, Math.max(0, c)))
    ).map(Math.cbrt)
  )
const contrast = (a: string, b: string): number => {
  const light = (hex: string) => times([[0.2126, 0.7152, 0.0722]], linear(hex))[0] ?? 0
  const [low = 0, high = 0] = [light(a), light(b)].sort((x, y) => x - y)
  return (high + 0.05) / (low + 0.05)
}

describe("series colours", () => {
  const schemes = [...reportStyle.matchAll(/--page: (#\w+);[^}]*/g)].map((match) => ({
    page: match[1] ?? "",
    series: [...match[0].matchAll(/--series-\d: (#\w+);/g)].map((one) => one[1] ?? "")
  }))
  it.each(Object.keys(sights))("are 0.1 apart in OKLab for %s sight, on light and on dark pages", (name) => {
    expect(schemes.map(({ series }) => series.length)).toEqual([6, 6])
    for (const { series } of schemes) {
      const seen = series.map((hex) => oklab(times(sights[name] ?? [], linear(hex))))
      seen.forEach((a, i) =>
        seen.slice(0, i).forEach((b) => expect(Math.hypot(...a.map((x, k) => x - (b[k] ?? 0)))).toBeGreaterThan(0.1))
      )
    }
  })
  it("stand out from the page by 3 to 1, as WCAG asks of graphics", () => {
    for (const { page, series } of schemes) for (const hex of series) expect(contrast(hex, page)).toBeGreaterThan(3)
  })
})
