import { Effect } from "effect"
import { overlay, paperRecipe } from "./config.ts"
import { ConfigInvalid, invalid } from "./errors.ts"
import { type AnyRecord, isRecord } from "./record.ts"
import type { RunShape } from "./run.ts"

/** A run that went on with a longer schedule: after which step, and from how many steps to how many. */
export interface Extension {
  readonly step: number
  readonly from: number
  readonly to: number
}

/** What may differ when a run is resumed: none of it changes a number. Data are compared by fingerprint. */
const changesNoNumber: ReadonlySet<string> = new Set([
  "dataset.name",
  "validate.dataset.name",
  "train.log.every",
  "train.checkpoint.every",
  "train.checkpoint.snapshotEvery",
  "train.data.prefetch",
  "train.checkpointBlocks",
  "train.memoryCheck",
  // What was skipped is on record and stays skipped: the policy is about what comes.
  "train.data.onBadSample.policy",
  "train.data.onBadSample.ceiling"
])

/** What is known of the past rather than asked for. */
const past: ReadonlySet<string> = new Set(["init", "history"])

/** Names of the fields in which two plain records differ, with dots between levels. */
const differences = (a: unknown, b: unknown, path = ""): ReadonlyArray<string> => {
  if (JSON.stringify(a) === JSON.stringify(b)) return []
  if (!isRecord(a) || !isRecord(b)) return [path]
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((key) =>
    differences(a[key], b[key], path === "" ? key : `${path}.${key}`)
  )
}

/** What earlier versions did where the default of a later field is something else. */
const before = { ...paperRecipe, textCut: "none" }

/** The record with the fields of later versions of the library, as the earlier ones did it. */
const completed = (record: AnyRecord): AnyRecord => ({
  validate: null,
  ...record,
  train: overlay(before, record["train"])
})

const asked = (record: AnyRecord): AnyRecord =>
  Object.fromEntries(Object.entries(completed(record)).filter(([key]) => !past.has(key)))

const isOfLength = (field: string): boolean => field === "steps" || field.startsWith("train.length")

/** The extensions of a run so far. */
export const historyOf = (record: AnyRecord): ReadonlyArray<Extension> => {
  const history = record["history"]
  return Array.isArray(history) ? history.filter(isExtension) : []
}

const isExtension = (found: unknown): found is Extension =>
  isRecord(found) && ["step", "from", "to"].every((key) => typeof found[key] === "number")

/**
 * Whether a run may go on as `wanted` says from a checkpoint of `stored` after `step`: everything that changes a number
 * must be as it was, but for the length where `begin` is `extend`. Gives the run's extensions, this one included.
 */
export const checkSameRun = (
  dir: string,
  stored: AnyRecord,
  wanted: AnyRecord,
  step: number,
  begin: RunShape["begin"]
): Effect.Effect<ReadonlyArray<Extension>, ConfigInvalid> =>
  Effect.gen(function* () {
    const [from, to] = [Number(stored["steps"]), Number(wanted["steps"])]
    const changed = differences(asked(stored), asked(JSON.parse(JSON.stringify(wanted))))
      .filter((field) => !changesNoNumber.has(field) && !(isOfLength(field) && from === to))
    const others = changed.filter((field) => !isOfLength(field))
    if (others.length > 0) {
      return yield* new ConfigInvalid({
        issues: others.map((field) => ({ path: field, message: "differs from the run that is resumed" })),
        message: `${dir} holds a run with another configuration (${others.join(", ")}): resume it with its own, ` +
          "or choose another directory"
      })
    }
    if (from === to) return historyOf(stored)
    if (begin === "extend" && to > from) return [...historyOf(stored), { step, from, to }]
    if (begin === "extend") {
      return yield* invalid("length", `expected more than the run's ${from} steps to extend it, found ${to}`)
    }
    return yield* invalid(
      "length",
      `expected the ${from} steps of the run in ${dir}, found ${to}: the learning rate of every step depends on the ` +
        "length. Resume with the run's own, or ask for a longer schedule from here on (--resume --extend, " +
        'begin: "extend")'
    )
  })
