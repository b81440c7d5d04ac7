import { describe, expect, it } from "vitest"
import { confusionSentence } from "../../lib/track/reportConfusion.ts"

const classNames = ["faces", "food", "flags"]

describe("the sentence on a confusion matrix", () => {
  it("names the two classes that absorb most and the largest share of a row off the diagonal", () => {
    const counts = [90, 10, 0, 3000, 60, 10, 1, 3, 0]
    expect(confusionSentence({ title: "groups", classNames, counts })).toBe(
      "Of 3,024 mistakes most end in “faces” (3,001) and “food” (13); the largest confusion: 97.7 % of “food” are called “faces”."
    )
  })
  it("says that there is no mistake where the diagonal holds everything, and for no pictures at all", () => {
    const none = "No picture is taken for another class."
    expect(confusionSentence({ title: "groups", classNames, counts: [3, 0, 0, 0, 4, 0, 0, 0, 5] })).toBe(none)
    expect(confusionSentence({ title: "groups", classNames, counts: new Uint32Array(9) })).toBe(none)
  })
  it("names one class where only one absorbs", () => {
    expect(confusionSentence({ title: "groups", classNames, counts: new Uint32Array([1, 0, 0, 1, 1, 0, 0, 0, 2]) }))
      .toBe(
        "Of 1 mistake most end in “faces” (1); the largest confusion: 50.0 % of “food” are called “faces”."
      )
  })
})
