import { formatPercent, formatTimes } from "./format.ts"
import type { Html } from "./html.ts"
import { logScale, type Scale } from "./scale.ts"
import { element, label, line, svg } from "./svg.ts"

const size = { width: 240, height: 22, margin: 24 }

/** A logarithmic scale for fractions from the power of ten below the smallest that is not 0 up to 1, nine decades at most. */
export const fractionScale = (fractions: ReadonlyArray<number>): Scale => {
  const least = fractions.reduce((low, x) => x > 0 ? Math.min(low, Math.max(x, 1e-9)) : low, 0.1)
  return logScale(10 ** Math.floor(Math.log10(least) + 1e-9), 1)
}

const placeOn = (scale: Scale, fraction: number): number => {
  const share = scale.place(fraction)
  return size.margin + Math.min(1, Math.max(0, Number.isFinite(share) ? share : 0)) * (size.width - 2 * size.margin)
}

/** The ticks of a column of chance marks, as percentages. */
export const chanceAxis = (scale: Scale): Html =>
  svg(
    { ...size, title: "logarithmic scale", class: "mark" },
    scale.ticks.map(({ value }) =>
      label(placeOn(scale, value), 15, `${Number((100 * value).toPrecision(6))} %`, { "text-anchor": "middle" })
    )
  )

/** A value against its chance level: a bar from the chance (a tick) to the value (a dot); its length is the factor. */
export const chanceMark = (scale: Scale, value: number, chance: number): Html => {
  const [from, to, middle] = [placeOn(scale, chance), placeOn(scale, value), size.height / 2]
  const words = `${formatPercent(value)}, ${formatTimes(value, chance)} the chance level of ${formatPercent(chance)}`
  return svg(
    { ...size, title: words, class: value >= chance ? "mark" : "mark below" },
    scale.ticks.map((tick) => {
      const x = placeOn(scale, tick.value)
      return line(x, 0, x, size.height, { class: "grid" })
    }),
    line(from, middle, to, middle, { class: "reach" }),
    line(from, middle - 6, from, middle + 6, { class: "chance" }),
    element("circle", { cx: to, cy: middle, r: 5, class: "value" })
  )
}
