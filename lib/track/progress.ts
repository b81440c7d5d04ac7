import { Clock, Context, Effect, Layer, Ref } from "effect"
import { ansi, noPaint, type Paint } from "./paint.ts"
import { plainText } from "./plainText.ts"
import {
  checkpointJson,
  noteJson,
  plainProgress,
  progressJson,
  progressLine,
  type TrainingProgress,
  validationJson,
  validationText
} from "./progressText.ts"
import { type RunSummary, summaryJson, summaryText } from "./summary.ts"
import type { ValidationEntry } from "./validationEntry.ts"

/** What the `Progress` service does. */
export interface ProgressShape {
  /** Tells of a finished step; drawn as often as is worth reading. */
  readonly step: (progress: TrainingProgress) => Effect.Effect<void>
  /** Tells what a validation found. */
  readonly validated: (entry: ValidationEntry) => Effect.Effect<void>
  /** Tells that a checkpoint was written; text says nothing, since it happens often. */
  readonly saved: (step: number, folder: string) => Effect.Effect<void>
  /** Tells how the run ended: a table, or one object. */
  readonly ended: (summary: RunSummary) => Effect.Effect<void>
  /** One line of text that stays. It may hold foreign words: control characters are taken out. */
  readonly note: (message: string) => Effect.Effect<void>
}

const ProgressBase: Context.ServiceClass<Progress, "diffclip/Progress", ProgressShape> = Context.Service<
  Progress,
  ProgressShape
>()("diffclip/Progress")

/** Where a run shows how far it is: a bar, plain lines, JSON lines, or nothing. */
export class Progress extends ProgressBase {}

/** Where progress is written and how. */
export interface ProgressOptions {
  /** Appends to the terminal or pipe; stderr in the command line tool, so that results stay alone on stdout. */
  readonly write: (text: string) => Effect.Effect<void>
  readonly isTTY: boolean
  /** Width of the terminal, asked at each redraw. */
  readonly columns: () => number
  /** `json` writes one object a line for each event: step, validate, checkpoint, summary, note. Default `text`. */
  readonly format?: "text" | "json"
  /** Where notes go as lines of text, so that JSON stays alone. Default: to `write`, as objects of type `note`. */
  readonly writeNote?: (text: string) => Effect.Effect<void>
  /** Whether a terminal is painted: bar, loss and headings. Default false. */
  readonly hasColor?: boolean
  /** Least time between two redraws of the bar. Default 100. */
  readonly redrawMs?: number
  /** Least time between two plain lines, where there is no terminal. Default 10,000. */
  readonly lineMs?: number
}

/** What stands on the terminal, and since when this series of steps runs. */
interface Shown {
  readonly first: { readonly step: number; readonly atMs: number }
  readonly step: number
  readonly totalSteps: number
  readonly drawnMs: number
  readonly isBarOpen: boolean
}

const clearLine = "\r\u001b[K"

/**
 * Shows progress through a sink. On a terminal one line is drawn over and over and ended when the scope closes, also on
 * interruption; elsewhere the first step, the last, and one every `lineMs` are lines of their own.
 */
export const progressLayer = (options: ProgressOptions): Layer.Layer<Progress> =>
  Layer.effect(
    Progress,
    Effect.gen(function* () {
      const shown = yield* Ref.make<Shown | undefined>(undefined)
      yield* Effect.addFinalizer(() =>
        Effect.flatMap(Ref.get(shown), (last) => last?.isBarOpen ? options.write("\n") : Effect.void)
      )
      // The bar gives way to a line and comes back with the next step.
      const line = (text: string): Effect.Effect<void> =>
        Effect.gen(function* () {
          const last = yield* Ref.get(shown)
          if (last?.isBarOpen) yield* Ref.set(shown, { ...last, isBarOpen: false, drawnMs: -Infinity })
          yield* options.write(`${last?.isBarOpen ? clearLine : ""}${text}\n`)
        })
      return Progress.of({
        step: (progress) =>
          Effect.gen(function* () {
            const nowMs = yield* Clock.currentTimeMillis
            const last = yield* Ref.get(shown)
            const { text, next } = nextShown(options, last, progress, nowMs)
            yield* Ref.set(shown, next)
            if (text !== "") yield* options.write(text)
          }),
        validated: (entry) =>
          options.format === "json" ?
            options.write(`${validationJson(entry)}\n`) :
            line(plainText(validationText(entry))),
        saved: (step, folder) =>
          options.format === "json" ? options.write(`${checkpointJson(step, folder)}\n`) : Effect.void,
        ended: (summary) =>
          options.format === "json" ?
            options.write(`${summaryJson(summary)}\n`) :
            line(summaryText(summary, paintOf(options).bold)),
        note: (message) => {
          if (options.format !== "json") return line(plainText(message))
          return options.writeNote === undefined ?
            options.write(`${noteJson(message)}\n`) :
            options.writeNote(`${plainText(message)}\n`)
        }
      })
    })
  )

/** Shows nothing. */
export const silentProgress: Layer.Layer<Progress> = Layer.succeed(Progress, {
  step: () => Effect.void,
  validated: () => Effect.void,
  saved: () => Effect.void,
  ended: () => Effect.void,
  note: () => Effect.void
})

const paintOf = ({ isTTY, hasColor = false }: ProgressOptions): Paint => isTTY && hasColor ? ansi : noPaint

/** The text to write for a step, if any, and what then stands. */
const nextShown = (
  options: ProgressOptions,
  last: Shown | undefined,
  progress: TrainingProgress,
  nowMs: number
): { readonly text: string; readonly next: Shown } => {
  const { step, totalSteps } = progress
  const isNewSeries = last === undefined || step < last.step || totalSteps !== last.totalSteps
  const first = isNewSeries ? { step, atMs: nowMs } : last.first
  const secondsPerStep = (nowMs - first.atMs) / 1000 / (step - first.step)
  const timed = step > first.step ? { ...progress, secondsLeft: (totalSteps - step) * secondsPerStep } : progress
  const next = { first, step, totalSteps, drawnMs: nowMs, isBarOpen: false }
  if (options.format === "json") return { text: `${progressJson(timed)}\n`, next }
  const everyMs = options.isTTY ? options.redrawMs ?? 100 : options.lineMs ?? 10_000
  const isDue = isNewSeries || step >= totalSteps || nowMs - last.drawnMs >= everyMs
  if (!isDue) return { text: "", next: { ...next, drawnMs: last.drawnMs, isBarOpen: last.isBarOpen } }
  if (!options.isTTY) return { text: `${plainProgress(timed)}\n`, next }
  // One column stays free: a terminal that wraps at its last one would start a line at each redraw.
  const line = `${clearLine}${progressLine(timed, options.columns() - 1, paintOf(options))}`
  return step >= totalSteps ? { text: `${line}\n`, next } : { text: line, next: { ...next, isBarOpen: true } }
}
