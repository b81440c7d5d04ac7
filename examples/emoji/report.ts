import { Effect } from "effect"
import type { Attribution, Evaluation, LogEntry, Report } from "diffclip"
import { attributions } from "./attributions.ts"
import { NotLearned } from "./errors.ts"
import { galleriesOf } from "./galleries.ts"
import { DEMO_STEPS } from "./model.ts"
import { type DemoResults, resultsOf } from "./results.ts"

export type { DemoResults }

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
    note: "Shown is the class token's look at the patches in the last layer, averaged over the pairs of heads. Where " +
      "it works, squares on the drawing stay warm in the difference while the white around it fades or turns cool.",
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
