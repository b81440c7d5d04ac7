import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  chanceMark,
  confusionMap,
  fractionScale,
  lineChart,
  patchMap,
  renderHtml,
  smoothed
} from "../../lib/track/index.ts"
import { linearScale, logScale } from "../../lib/track/scale.ts"
import { anyText, checkTags } from "./tags.ts"

const anyNumber = fc.oneof(fc.double(), fc.integer({ min: -5, max: 5 }), fc.constantFrom(NaN, Infinity, -Infinity, 0))

describe("scales", () => {
  it("a linear scale covers its values with a few round ticks", () => {
    const sane = fc.double({ min: -1e9, max: 1e9, noNaN: true })
    fc.assert(fc.property(fc.array(sane, { minLength: 1 }), (values) => {
      const scale = linearScale(values, 4)
      for (const value of values) {
        expect(scale.place(value)).toBeGreaterThanOrEqual(-1e-6)
        expect(scale.place(value)).toBeLessThanOrEqual(1 + 1e-6)
      }
      expect(scale.ticks.length).toBeGreaterThanOrEqual(2)
      expect(scale.ticks.length).toBeLessThanOrEqual(7)
    }))
    expect(linearScale([0.3, 4.6], 4).ticks.map(({ text }) => text)).toEqual(["0", "2", "4", "6"])
  })
  it("a logarithmic scale has a tick at each power of ten and no place for zero", () => {
    const scale = logScale(1e-3, 1)
    expect(scale.ticks.map(({ value }) => Math.log10(value))).toEqual([-3, -2, -1, 0])
    expect([scale.place(1e-3), scale.place(1), scale.place(0)]).toEqual([0, 1, NaN])
  })
})

describe("charts are well-formed and hold no NaN in a coordinate, whatever they are given", () => {
  const isSound = (markup: string): void => {
    checkTags(markup)
    expect(markup).not.toMatch(/ (x|y|x1|x2|y1|y2|cx|cy|d|width|height|viewBox)="[^"]*(NaN|Infinity)/)
    expect(markup).toContain("<title>")
    expect(markup).toContain('viewBox="0 0 ')
  }
  it("a tick that rounds up to 1e150", () => {
    const points = [[0, -8.000000002000002e149]] as const
    isSound(renderHtml(lineChart({ title: "", series: [{ label: "", points }], xLabel: "step" })))
  })
  it("line charts", () => {
    const series = fc.record({ label: anyText, points: fc.array(fc.tuple(fc.nat(), anyNumber)) })
    fc.assert(
      fc.property(
        anyText,
        fc.array(series, { maxLength: 4 }),
        (title, list) =>
          isSound(renderHtml(lineChart({ title, series: list, xLabel: "step", reference: { label: title, value: 1 } })))
      )
    )
  })
  it("confusion maps", () => {
    fc.assert(fc.property(fc.array(anyText, { minLength: 1, maxLength: 16 }), (classNames) => {
      const counts = classNames.flatMap((_, r) => classNames.map((_, c) => r % 3 === 0 ? 0 : r * c))
      isSound(renderHtml(confusionMap({ title: "groups", classNames, counts })))
    }))
  })
  it("patch maps", () => {
    fc.assert(
      fc.property(
        fc.array(anyNumber, { minLength: 6, maxLength: 6 }),
        anyNumber,
        (values, limit) =>
          isSound(renderHtml(patchMap({ rows: 2, columns: 3, values }, { title: "t", palette: "diverging", limit })))
      )
    )
  })
  it("chance marks", () => {
    const fraction = fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0, 1))
    fc.assert(
      fc.property(
        fraction,
        fraction,
        (value, chance) => isSound(renderHtml(chanceMark(fractionScale([value, chance]), value, chance)))
      )
    )
  })
})

describe("curves", () => {
  it("break where a value is missing", () => {
    const points = [[1, 1], [2, NaN], [3, 2], [4, 3]] as const
    const path = / d="([^"]*)"/.exec(
      renderHtml(lineChart({ title: "t", series: [{ label: "a", points }], xLabel: "x" }))
    )
    expect(path?.[1]?.match(/M/g)).toHaveLength(2)
  })
  it("of a hundred thousand points stay small and keep their spike", () => {
    const points = Array.from({ length: 100_000 }, (_, i) => [i, i === 54_321 ? 9 : 0] as const)
    const markup = renderHtml(lineChart({ title: "t", series: [{ label: "a", points }], xLabel: "x" }))
    expect(markup.length).toBeLessThan(30_000)
    expect(/ d="([^"]*)"/.exec(markup)?.[1]).toMatch(/L[\d.]+ 37\.4L/)
  })
  it("smoothed stay where they are constant, do not lag on a slope, and pass over gaps", () => {
    const line = Array.from({ length: 101 }, (_, i) => [i, 2 * i] as const)
    expect(smoothed(line, 3)[50]?.[1]).toBeCloseTo(100, 6)
    for (const [, y] of smoothed([[0, 5], [1, NaN], [2, 5]], 2)) expect(y).toBeCloseTo(5, 12)
    expect(smoothed([[0, NaN]], 2)[0]?.[1]).toBeNaN()
  })
  it("several have a legend, one has none", () => {
    const series = ["a", "b"].map((label) => ({ label, points: [[0, 1], [1, 2]] as const }))
    expect(renderHtml(lineChart({ title: "t", series, xLabel: "x" }))).toContain('<ul class="legend">')
    expect(renderHtml(lineChart({ title: "t", series: series.slice(1), xLabel: "x" }))).not.toContain("legend")
  })
})
