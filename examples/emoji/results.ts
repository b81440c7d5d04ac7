import type { AttentionExample, ReportResult } from "diffclip"
import type { RetrievalResult, ZeroShotResult } from "diffclip/eval"
import type { NearestResult } from "./nearestPictures.ts"

/** Classes called by their own names, which are seldom part of a caption, and by the names of their members. */
export interface ZeroShotPair {
  readonly byName: ZeroShotResult
  readonly byMembers: ZeroShotResult
}

/** All that the demo asked of the model. */
export interface DemoResults {
  readonly color: RetrievalResult
  readonly black: RetrievalResult
  readonly heldOut: Readonly<Record<"google" | "twitter" | "color", RetrievalResult>>
  readonly groups: ZeroShotPair
  readonly subgroups: ZeroShotPair
  readonly nearest: Readonly<Record<"color" | "heldOut", NearestResult>>
  readonly looks: ReadonlyArray<AttentionExample>
}

const byMembers = "A class is the mean of its members' names; mean over classes is balanced accuracy."
const byName = "A class is its own name alone, which is seldom part of a caption."

/** The results in the order of the report, with what was asked. */
export const resultsOf = ({ color, black, heldOut, groups, subgroups }: DemoResults): ReadonlyArray<ReportResult> => [
  {
    title: "A. New artist, colour",
    note: "Does it know things when OpenMoji draws them, whose drawings it never saw?",
    evaluation: color
  },
  {
    title: "B. New artist, line art",
    note: "Does it still when only OpenMoji's black outlines are left, without any colour?",
    evaluation: black
  },
  {
    title: "C. New concepts, Google",
    note: "Does it find things that no training picture showed, by an artist it learned from?",
    evaluation: heldOut.google
  },
  {
    title: "C. New concepts, Twitter",
    note: "The same concepts, by the other artist it learned from.",
    evaluation: heldOut.twitter
  },
  {
    title: "C. New concepts, new artist",
    note: "The same concepts in OpenMoji's colours: neither thing nor artist was seen.",
    evaluation: heldOut.color
  },
  {
    title: "Zero-shot, 8 groups",
    note: `Which group is a picture of OpenMoji in colour from? ${byMembers}`,
    evaluation: groups.byMembers
  },
  { title: "Zero-shot, 8 groups by name", note: byName, evaluation: groups.byName },
  {
    title: "Zero-shot, subgroups",
    note: `The same for the subgroups with ten pictures or more. ${byMembers}`,
    evaluation: subgroups.byMembers
  },
  { title: "Zero-shot, subgroups by name", note: byName, evaluation: subgroups.byName }
]
