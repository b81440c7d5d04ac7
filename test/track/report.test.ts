import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { dataUrl, type LogEntry, renderReport, type Report } from "../../lib/track/index.ts"
import { anyText, checkTags } from "./tags.ts"

const url = dataUrl("image/png", Uint8Array.of(1, 2, 3))
const logOf = (name: string): ReadonlyArray<LogEntry> =>
  [1, 2, 3].map((step) => ({
    step,
    loss: 5 - step,
    accuracy: 0.1,
    lr: 1e-3,
    logitScale: 14,
    gradNorm: 1,
    lambda: { "visual.0": 0.8, "visual.1": 0.81, "text.0": 0.7, [name]: 0.5 },
    pairsPerSecond: 1,
    dataWaitMs: 0,
    peakBytes: 1
  }))
const map = { rows: 2, columns: 2, values: [0.1, 0.2, 0.3, 0.4] }

/** A report in which every text is the given one. */
const reportOf = (text: string): Report => ({
  title: text,
  summary: text,
  highlights: [{ value: text, label: text }],
  facts: [{ name: text, value: text }],
  resultsNote: text,
  results: [{
    title: text,
    note: text,
    evaluation: {
      protocol: text,
      dataset: text,
      n: 1636,
      metrics: { "imageRetrievalRecall@5": 0.031, [text]: 0 },
      chance: { "imageRetrievalRecall@5": 5 / 1636, [text]: 0.5 }
    }
  }],
  log: logOf(text),
  lossOfChance: Math.log(128),
  retrieval: [{
    title: text,
    note: text,
    numPictures: 1636,
    examples: [
      { caption: text, nearest: [{ url, name: text, isRight: true }], right: { url, name: text }, rank: 1 },
      { caption: text, nearest: [{ url, name: text, isRight: false }], right: { url, name: text }, rank: 1234 }
    ]
  }],
  confusions: [{ title: text, classNames: [text, "b"], counts: [3, 1, 0, 2] }],
  attention: {
    note: text,
    examples: [{ picture: { url, name: text }, first: map, second: map, difference: map, lambda: 0.78 }]
  },
  config: { [text]: text, optimizer: { betas: [0.9, 0.98] } },
  attributions: [{ work: text, author: text, licence: text, url: "https://openmoji.org", changes: text }, {
    work: text,
    author: text,
    licence: text,
    url: text
  }]
})

describe("the report", () => {
  it("is one well-formed page whatever foreign texts it holds, and runs and fetches nothing", () => {
    const wellKnown = renderReport(reportOf("x")).split("<").length
    fc.assert(
      fc.property(anyText, (text) => {
        const page = renderReport(reportOf(text))
        checkTags(page)
        expect(page).not.toMatch(/<(script|link|iframe|object|embed)|(?!\n)\p{Cc}|\u202e/iu)
        // Foreign text adds no tag; a name that is all controls or digits may merge with another key.
        expect(page.split("<").length).toBeLessThanOrEqual(wellKnown + 60)
        for (const [, address] of page.matchAll(/(?:src|href)="([^"]*)"/g)) {
          expect(address === url || address === "https://openmoji.org").toBe(true)
        }
      }),
      { numRuns: 50 }
    )
  })
  it("puts chance and its multiple beside each number", () => {
    const page = renderReport(reportOf("x"))
    expect(page).toContain("caption to picture, recall@5")
    expect(page).toMatch(/3\.1 %<\/td><td>0\.31 %<\/td><td>10×/)
    expect(page).toContain("x on x, n = 1,636")
  })
  it("has curves, nearest pictures with the right one marked, groups, attention, settings and attributions", () => {
    const page = renderReport(reportOf("x"))
    for (
      const part of [
        ">Loss<",
        "λ of each layer, visual",
        "λ of each layer, text",
        ">Logit scale<",
        ">Learning rate<",
        "guessing",
        '<li class="right">',
        "right one at place 1<",
        "right one at place 1,234",
        "x called b: 1 of 4 (25.0 %)",
        "first map",
        "second map",
        "first − 0.78 · second",
        "optimizer.betas",
        "[0.9, 0.98]",
        '<a href="https://openmoji.org"'
      ]
    ) expect(page).toContain(part)
  })
  it("says in words how many shown captions found their picture, what the maps are cut into, what is confused", () => {
    const page = renderReport(reportOf("x")).replaceAll(/\s+/g, " ")
    expect(page).toContain("For 1 of these 2 captions the right picture is among the 1 nearest out of 1,636.")
    expect(page).toContain("2 × 2 patches")
    expect(page).toContain("the largest confusion: 25.0 % of “x” are called “b”")
    expect(page).toContain("Recall@5 is how often")
    expect(page.indexOf("Asked for a picture")).toBeLessThan(page.indexOf(">Results<"))
  })
  it("hides the sentence on the plot where the plot is hidden", () => {
    const page = renderReport(reportOf("x"))
    expect(page).toContain('<span class="of-plot">On the right')
    expect(page).toContain(".of-plot, .results td.plot, .results th:last-child { display: none; }")
  })
  it("leaves out sections without data", () => {
    const page = renderReport({ title: "bare", results: [] })
    checkTags(page)
    expect(page).not.toContain("<section>")
  })
  it("refuses a picture that is not embedded", () => {
    const outside = { url: "https://example.org/a.png", name: "a" }
    const report = {
      ...reportOf("x"),
      retrieval: [{ title: "a", numPictures: 1, examples: [{ caption: "a", nearest: [], right: outside, rank: 1 }] }]
    }
    expect(() => renderReport(report)).toThrow(TypeError)
  })
})
