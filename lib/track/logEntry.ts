import { figureOf, isFigure, parseJson, recordOf } from "./json.ts"

/** One line of `log.jsonl`. A number that is not finite is stored as null and read back as NaN. */
export interface LogEntry {
  /** Steps done when the line was written, from 1, so that it compares with a checkpoint's step. */
  readonly step: number
  readonly loss: number
  /** Share of pictures whose own text has the largest logit in the batch. */
  readonly accuracy: number
  readonly lr: number
  /** The scale itself, exp of the parameter. */
  readonly logitScale: number
  readonly gradNorm: number
  /** The current lambda of each differential attention by name; empty for plain attention. */
  readonly lambda: Readonly<Record<string, number>>
  readonly pairsPerSecond: number
  /** Time that the step waited for its data. */
  readonly dataWaitMs: number
  readonly peakBytes: number
}

/** The entry as one line with its end, keys in the order of `LogEntry`. */
export const logLine = (entry: LogEntry): string => {
  const { step, loss, accuracy, lr, logitScale, gradNorm, lambda, pairsPerSecond, dataWaitMs, peakBytes } = entry
  const line = { step, loss, accuracy, lr, logitScale, gradNorm, lambda, pairsPerSecond, dataWaitMs, peakBytes }
  return `${JSON.stringify(line)}\n`
}

/** Reads a line, or says undefined when it is no entry: no JSON, a key missing, another type. Other keys are ignored. */
export const parseLogLine = (line: string): LogEntry | undefined => {
  const found = recordOf(parseJson(line))
  const lambda = recordOf(found?.["lambda"])
  if (found === undefined || lambda === undefined) return undefined
  const figure = (key: string): number => figureOf(found[key])
  const lambdas = Object.entries(lambda).map(([name, value]) => [name, figureOf(value)] as const)
  const isComplete = numberKeys.every((key) => isFigure(found[key])) && Object.values(lambda).every(isFigure)
  if (!isComplete || !Number.isFinite(found["step"])) return undefined
  return {
    step: figure("step"),
    loss: figure("loss"),
    accuracy: figure("accuracy"),
    lr: figure("lr"),
    logitScale: figure("logitScale"),
    gradNorm: figure("gradNorm"),
    lambda: Object.fromEntries(lambdas),
    pairsPerSecond: figure("pairsPerSecond"),
    dataWaitMs: figure("dataWaitMs"),
    peakBytes: figure("peakBytes")
  }
}

/** The entries of a log line that are one number each. */
export const numberKeys = [
  "step",
  "loss",
  "accuracy",
  "lr",
  "logitScale",
  "gradNorm",
  "pairsPerSecond",
  "dataWaitMs",
  "peakBytes"
] as const
