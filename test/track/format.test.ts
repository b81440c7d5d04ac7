import { describe, expect, it } from "vitest"
import { formatDuration, formatNumber, formatPercent, formatTimes } from "../../lib/track/index.ts"

describe("formats", () => {
  it.each([[7, "0:07"], [59.6, "1:00"], [754, "12:34"], [3723, "1:02:03"], [-1, "0:00"], [Infinity, "–"]])(
    "%d seconds read %s",
    (seconds, text) => expect(formatDuration(seconds)).toBe(text)
  )
  it.each([[0, "0"], [3.14159, "3.142"], [1636, "1,636"], [1234567.8, "1,234,568"], [0.05, "0.05"], [2e-5, "2e-5"], [
    -1234,
    "-1,234"
  ], [NaN, "NaN"]])("%d reads %s", (x, text) => expect(formatNumber(x)).toBe(text))
  it.each([[0, "0 %"], [1, "100 %"], [0.0031, "0.31 %"], [0.042, "4.2 %"], [0.999, "99.90 %"], [NaN, "–"]])(
    "the fraction %d reads %s",
    (fraction, text) => expect(formatPercent(fraction)).toBe(text)
  )
  it("factors of chance keep one digit below ten", () => {
    expect([formatTimes(0.031, 0.01), formatTimes(1, 0.01), formatTimes(1, 0)]).toEqual(["3.1×", "100×", "–"])
  })
})
