import { checkDataUrl } from "./dataUrl.ts"
import { formatNumber } from "./format.ts"
import { type Html, markup } from "./html.ts"
import type { ReportPicture, RetrievalExample, RetrievalGallery } from "./report.ts"
import { section } from "./reportSections.ts"

/** Captions and the pictures that the model puts nearest to them. */
export const retrievalSection = (galleries: ReadonlyArray<RetrievalGallery>): Html | undefined => {
  const filled = galleries.filter(({ examples }) => examples.length > 0)
  return filled.length === 0 ? undefined : section(
    "Asked for a picture",
    "For each caption, the pictures that the model puts nearest to it, best first. Where the right one is among them it " +
      "has a ring; where it is not, it stands below with its place.",
    filled.map(galleryOf)
  )
}

const galleryOf = ({ title, note, numPictures, examples }: RetrievalGallery): Html => {
  const hits = examples.filter(({ nearest }) => nearest.some(({ isRight }) => isRight)).length
  const numShown = Math.max(...examples.map(({ nearest }) => nearest.length))
  return markup`<h3>${title}</h3><p class="lead">For ${hits} of these ${examples.length} captions the right picture is among
the ${numShown} nearest out of ${formatNumber(numPictures)}.${
    note === undefined ? "" : ` ${note}`
  }</p><div class="queries">${examples.map(queryCard)}</div>`
}

const queryCard = ({ caption, nearest, right, rank }: RetrievalExample): Html => {
  const isFound = nearest.some(({ isRight }) => isRight)
  return markup`<article class="query"><h4>${caption}</h4><ol class="strip">${
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
