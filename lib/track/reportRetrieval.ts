import { checkDataUrl } from "./dataUrl.ts"
import { formatNumber } from "./format.ts"
import { type Html, markup } from "./html.ts"
import type { Report, ReportPicture, RetrievalExample } from "./report.ts"
import { section } from "./reportSections.ts"

/** Captions and the pictures that the model puts nearest to them. */
export const retrievalSection = (retrieval: Report["retrieval"]): Html | undefined =>
  retrieval === undefined || retrieval.examples.length === 0 ? undefined : section(
    "Asked for a picture",
    `For each caption, the pictures nearest to it out of ${formatNumber(retrieval.numPictures)}, best first; the ` +
      "ringed one is right, and where it is missing it stands apart with its rank.",
    markup`<div class="queries">${retrieval.examples.map(queryCard)}</div>`
  )

const queryCard = ({ caption, nearest, right, rank }: RetrievalExample): Html => {
  const isFound = nearest.some(({ isRight }) => isRight)
  return markup`<article class="query"><h3>${caption}</h3><ol class="strip">${
    nearest.map((found) => markup`<li class="${found.isRight ? "right" : "other"}">${pictureOf(found)}</li>`)
  }</ol>${
    isFound ?
      markup`<p class="rank hit">right one at place ${rank}</p>` :
      markup`<p class="rank">right one at place ${formatNumber(rank)} ${pictureOf(right)}</p>`
  }</article>`
}

/** An embedded picture with its name for readers and pointers. */
export const pictureOf = ({ url, name }: ReportPicture): Html =>
  markup`<img src="${checkDataUrl(url)}" alt="${name}" title="${name}" loading="lazy">`
