import { formatDuration, formatNumber, formatPercent } from "./format.ts"
import type { LogEntry } from "./logEntry.ts"
import { noPaint, type Paint } from "./paint.ts"
import { plainText, shorten } from "./plainText.ts"
import { type ValidationEntry, validationLine } from "./validationEntry.ts"

/** What training says after a step. `step` counts the steps done, from 1. */
export interface TrainingProgress {
  readonly step: number
  readonly totalSteps: number
  readonly loss: number
  readonly pairsPerSecond: number
  /** The step's line of the log, for those who want all of it. */
  readonly entry?: LogEntry
}

/** The same with the time left, which is unknown at first. */
export interface TimedProgress extends TrainingProgress {
  readonly secondsLeft?: number
}

/** A bar of exactly `width` characters, filled in steps of an eighth. */
export const progressBar = (share: number, width: number): string => {
  const eighths = Math.round(Math.min(1, Math.max(0, Number.isFinite(share) ? share : 0)) * width * 8)
  const part = "▏▎▍▌▋▊▉"[eighths % 8 - 1] ?? ""
  return ("█".repeat(Math.floor(eighths / 8)) + part).padEnd(width, "·")
}

/**
 * One line for a terminal, never wider than `columns`: bar, step, loss, pairs/s, time left. Where it is narrow, the bar
 * goes first, then the rate, then the time.
 */
export const progressLine = (progress: TimedProgress, columns: number, paint: Paint = noPaint): string => {
  const [step, loss, rate, left] = partsOf(progress)
  const all = [step, loss, rate, left].join("  ")
  const room = columns - all.length - 2
  if (room >= 8) {
    const bar = progressBar(progress.step / progress.totalSteps, Math.min(room, 40))
    return `${paint.accent(bar)}  ${step}  ${paint.bold(loss)}  ${paint.faint(`${rate}  ${left}`)}`
  }
  const narrower = [all, [step, loss, left].join("  "), [step, loss].join("  ")].find((line) => line.length <= columns)
  return narrower ?? shorten(step, columns)
}

/** One line for a log file or a pipe. */
export const plainProgress = (progress: TimedProgress): string => {
  const percent = Math.floor(100 * progress.step / progress.totalSteps)
  return ["step", ...partsOf(progress), `(${percent} %)`].join("  ").replace("step  ", "step ")
}

/** One JSON object with all that is known of the step, without the line's end; `secondsLeft` is absent while unknown. */
export const progressJson = (progress: TimedProgress): string => {
  const { step, totalSteps, loss, pairsPerSecond, entry, secondsLeft } = progress
  return JSON.stringify({ type: "step", step, totalSteps, loss, pairsPerSecond, ...entry, secondsLeft })
}

/** A checkpoint that was written, as one JSON object. */
export const checkpointJson = (step: number, folder: string): string =>
  JSON.stringify({ type: "checkpoint", step, folder })

/** A validation as one JSON object. */
export const validationJson = (entry: ValidationEntry): string =>
  JSON.stringify({ type: "validate", ...JSON.parse(validationLine(entry)) })

/** A validation as one line: the deciding metric with its chance, and whether it is the best so far. */
export const validationText = ({ step, dataset, validation, chance, metric, isBest }: ValidationEntry): string => {
  const [found, guess] = [validation[metric], chance[metric]]
  const beside = guess === undefined ? "" : ` (chance ${formatPercent(guess)})`
  return `step ${step}  ${metric} ${formatPercent(found ?? NaN)}${beside} on ${dataset}${isBest ? "  best so far" : ""}`
}

/** A note as one JSON object. */
export const noteJson = (message: string): string => JSON.stringify({ type: "note", message: plainText(message) })

const partsOf = (progress: TimedProgress): readonly [step: string, loss: string, rate: string, left: string] => {
  const { step, totalSteps, loss, pairsPerSecond, secondsLeft } = progress
  const total = String(totalSteps)
  return [
    `${String(step).padStart(total.length)}/${total}`,
    `loss ${Number.isFinite(loss) ? loss.toFixed(4) : loss}`,
    `${formatNumber(pairsPerSecond, 3)} pairs/s`,
    secondsLeft === undefined ? "–:–– left" : `${formatDuration(secondsLeft)} left`
  ]
}
