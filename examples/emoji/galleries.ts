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
  return `Over all ${all.n.toLocaleString("en")} names it is so for ${(100 * recall).toFixed(1)} %${oneIn}: this is ` +
    `recall@5, which lets one expect ${(recall * nearest.n).toFixed(1)} of ${nearest.n}.`
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
    note: `${expectation(heldOut)} The style is known here and there are fewer pictures to choose from. A hash of ` +
      "the code points chose the twelve; they were not picked for their hits.",
    numPictures: heldOut.nearest.numPictures,
    examples: heldOut.nearest.examples
  }
]
