import { Effect } from "effect"
import type { AttentionExample, Attribution, Evaluation, LogEntry, Report, ReportResult } from "diffclip"
import type { RetrievalResult, ZeroShotResult } from "diffclip/eval"
import { attributions } from "./attributions.ts"
import { NotLearned } from "./errors.ts"
import { galleriesOf } from "./galleries.ts"
import { DEMO_STEPS } from "./model.ts"
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

/** How the run went. */
export interface DemoRun {
  readonly model: { readonly name: string; readonly numParameters: number }
  readonly steps: number
  readonly batchSize: number
  readonly backend: string
  /** Seconds of each part, by name. */
  readonly seconds: Readonly<Record<string, number>>
  readonly log: ReadonlyArray<LogEntry>
  readonly config: unknown
}

const byMembers = "a class is the mean of its members' names; mean over classes is balanced accuracy"
const byName = "a class is its own name alone, which is seldom part of a caption"

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
  { title: "Zero-shot, 8 groups", note: `OpenMoji colour, ${byMembers}`, evaluation: groups.byMembers },
  { title: "Zero-shot, 8 groups by name", note: byName, evaluation: groups.byName },
  {
    title: "Zero-shot, subgroups",
    note: `those with ten pictures or more, ${byMembers}`,
    evaluation: subgroups.byMembers
  },
  { title: "Zero-shot, subgroups by name", note: byName, evaluation: subgroups.byName }
]

const recallAt5 = "imageRetrievalRecall@5"

/** How many times chance a metric is. */
export const timesChance = ({ metrics, chance }: Evaluation, metric: string): number =>
  (metrics[metric] ?? Number.NaN) / (chance[metric] ?? Number.NaN)

const times = (evaluation: Evaluation, metric: string): string => `${timesChance(evaluation, metric).toFixed(1)} ×`

/** What a whole run must reach on the unseen artist, times chance. */
const FLOOR = 8

/** Fails when a run of full length is hardly better than a guess: then something is broken, and CI must say so. */
export const checkLearned = ({ color }: DemoResults, steps: number): Effect.Effect<void, NotLearned> => {
  const found = timesChance(color, recallAt5)
  if (steps < DEMO_STEPS || found >= FLOOR) return Effect.void
  const message = `expected recall@5 on the unseen artist at ${FLOOR} times chance, found ${found.toFixed(1)}: ` +
    "the model has not learned; please report it with the output of `diffclip doctor`"
  return Effect.fail(new NotLearned({ found, expected: FLOOR, message }))
}

const wholeSeconds = (seconds: number): string => `${Math.round(seconds)} s`

/** The demo's page as plain data, for `renderReport`. */
export const demoReport = (results: DemoResults, run: DemoRun): Report => ({
  title: "New artist",
  summary:
    `${run.model.name} learned emoji from the drawings of Google and Twitter and their English names. It is now ` +
    "asked about OpenMoji, drawn by other hands in another style, and about concepts that were held out.",
  highlights: [
    {
      value: times(results.color, recallAt5),
      label: "as often as a guess, an unseen artist's picture is among the five nearest to its name"
    },
    {
      value: times(results.black, recallAt5),
      label: "as often as a guess, when that artist leaves out all colour and draws black outlines"
    },
    {
      value: times(results.heldOut.google, recallAt5),
      label: "as often as a guess, for things it was never shown, drawn by Google"
    },
    {
      value: times(results.groups.byMembers, "meanPerClass"),
      label: "as often as a guess, it names the right one of 8 groups (mean over the groups)"
    }
  ],
  facts: [
    { name: "model", value: run.model.name },
    { name: "parameters", value: run.model.numParameters.toLocaleString("en") },
    { name: "steps", value: `${run.steps} of ${run.batchSize} pairs` },
    { name: "engine", value: run.backend },
    ...Object.entries(run.seconds).map(([name, seconds]) => ({ name, value: wholeSeconds(seconds) }))
  ],
  results: resultsOf(results),
  resultsNote: "Retrieval asks with the first caption of each picture, its name.",
  log: run.log,
  lossOfChance: Math.log(run.batchSize),
  retrieval: galleriesOf(
    { nearest: results.nearest.color, all: results.color },
    { nearest: results.nearest.heldOut, all: results.heldOut.google }
  ),
  confusions: [{
    title: "Groups of OpenMoji, colour, by the names of their members",
    classNames: results.groups.byMembers.classNames,
    counts: results.groups.byMembers.confusion
  }],
  attention: {
    note:
      "Shown is the class token's look at the patches in the last layer, averaged over the pairs of heads. Look for " +
      "squares on the drawing that stay warm in the difference while the white around it fades.",
    examples: results.looks
  },
  config: run.config,
  attributions: [...attributions] satisfies ReadonlyArray<Attribution>
})

/** The results as a table for the terminal: metric, value, chance, and how many times chance. */
export const resultsTable = (results: DemoResults): string => {
  const rows = resultsOf(results).flatMap(({ title, evaluation }) =>
    Object.entries(evaluation.metrics)
      .filter(([metric]) => !metric.startsWith("textRetrieval"))
      .map(([metric, value]) => {
        const chance = evaluation.chance[metric] ?? Number.NaN
        const percent = (share: number): string => `${(100 * share).toFixed(2)} %`
        return [title, metric, percent(value), percent(chance), `${(value / chance).toFixed(1)} ×`]
      })
  )
  const table = [["", "metric", "model", "chance", "× chance"], ...rows]
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)))
  return table.map((row) =>
    row.map((cell, i) => i < 2 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)).join("  ")
  ).join("\n")
}
