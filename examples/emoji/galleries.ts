import type { Evaluation, Report } from "diffclip"
import type { NearestResult } from "./nearestPictures.ts"

/** The captions that the report shows, and the retrieval over all captions of the same set. */
export interface Asked {
  readonly nearest: NearestResult
  readonly all: Evaluation
}

/** What the recall over all captions lets one expect of those that are shown. */
export const expectation = ({ nearest, all }: Asked): string => {
  const recall = all.metrics["imageRetrievalRecall@5"] ?? Number.NaN
  const oneIn = recall > 0 ? `, about 1 in ${Math.round(1 / recall)}` : ""
  return `Over all ${all.n.toLocaleString("en")} names, recall@5 is ${(100 * recall).toFixed(1)} %${oneIn}, so ` +
    `${(recall * nearest.n).toFixed(1)} of ${nearest.n} are to be expected.`
}

/** The galleries of the report: an unseen artist, then unseen concepts by an artist that the model learned from. */
export const galleriesOf = (color: Asked, heldOut: Asked): NonNullable<Report["retrieval"]> => [
  {
    title: "A new artist: OpenMoji in colour",
    note: `${expectation(color)} What so short a run learns first is colour and outline: compare what is near to ` +
      "“umbrella” or “red heart” with the right picture.",
    numPictures: color.nearest.numPictures,
    examples: color.nearest.examples
  },
  {
    title: "New concepts: drawn by Google, held out of training",
    note: `${expectation(heldOut)} The style is known here and there are fewer pictures to choose from; the concepts ` +
      "were drawn by lot (a hash of their code points), not for their hits.",
    numPictures: heldOut.nearest.numPictures,
    examples: heldOut.nearest.examples
  }
]
