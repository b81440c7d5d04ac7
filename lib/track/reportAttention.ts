import { checkDataUrl } from "./dataUrl.ts"
import { formatNumber } from "./format.ts"
import { type PatchMap, patchMap } from "./heatMap.ts"
import { type Html, markup } from "./html.ts"
import type { AttentionExample, Report } from "./report.ts"
import { pictureOf } from "./reportRetrieval.ts"
import { section } from "./reportSections.ts"

/** What the two attention maps of a differential layer look at, and what their difference leaves. */
export const attentionSection = (attention: Report["attention"]): Html | undefined => {
  const [example] = attention?.examples ?? []
  return attention === undefined || example === undefined ? undefined : section(
    "Where it looks",
    "Differential attention forms two maps and subtracts λ times the second from the first: what both look at cancels, " +
      "what remains is kept (warm) or turned against (cool). The model cuts a picture into " +
      `${example.first.rows} × ${example.first.columns} patches, so each map has as many squares.`,
    attention.note === undefined ? undefined : markup`<p class="lead">${attention.note}</p>`,
    markup`<div class="looks">${attention.examples.map(attentionRow)}</div>`
  )
}

const attentionRow = ({ picture, first, second, difference, lambda }: AttentionExample): Html => {
  const limit = Math.max(largest(first), largest(second))
  const spread = largest(difference)
  const map = (values: PatchMap, title: string, palette: "sequential" | "diverging", end: number): Html =>
    markup`<figure>${
      patchMap(values, { title: `${title}: ${picture.name}`, palette, limit: end, picture: checkDataUrl(picture.url) })
    }<figcaption>${title}<small>${palette === "diverging" ? "±" : "0 to "}${
      formatNumber(end, 2)
    }</small></figcaption></figure>`
  const factor = lambda === undefined ? "λ" : formatNumber(lambda, 2)
  return markup`<article class="look"><figure>${pictureOf(picture)}<figcaption>${picture.name}</figcaption></figure>${[
    map(first, "first map", "sequential", limit),
    map(second, "second map", "sequential", limit),
    map(difference, `first − ${factor} · second`, "diverging", spread)
  ]}</article>`
}

const largest = ({ values }: PatchMap): number =>
  Array.from(values).reduce((most, value) => Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most, 0)
