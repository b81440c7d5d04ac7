import { figureOf, isFigure, parseJson, recordOf } from "./json.ts"

/**
 * One line of `validation.jsonl`: what an evaluator found while training went on. A metric that is not finite is stored
 * as null and read back as NaN.
 */
export interface ValidationEntry {
  /** Steps done when the model was asked. */
  readonly step: number
  readonly protocol: string
  readonly dataset: string
  /** Samples that were asked. */
  readonly n: number
  /** The metrics by name, as in `Evaluation.metrics`. */
  readonly validation: Readonly<Record<string, number>>
  /** What a guess would reach, by the same names. */
  readonly chance: Readonly<Record<string, number>>
  /** The metric that decides which checkpoint is the best; greater is better. */
  readonly metric: string
  /** Whether it is better here than at every earlier step. */
  readonly isBest: boolean
}

/** The entry as one line with its end, keys in the order of `ValidationEntry`. */
export const validationLine = (entry: ValidationEntry): string => {
  const { step, protocol, dataset, n, validation, chance, metric, isBest } = entry
  return `${JSON.stringify({ step, protocol, dataset, n, validation, chance, metric, isBest })}\n`
}

/** Reads a line, or says undefined when it is no entry. Other keys are ignored. */
export const parseValidationLine = (line: string): ValidationEntry | undefined => {
  const found = recordOf(parseJson(line))
  const validation = figuresIn(found?.["validation"])
  const chance = figuresIn(found?.["chance"])
  if (found === undefined || validation === undefined || chance === undefined) return undefined
  const { step, protocol, dataset, n, metric, isBest } = found
  if (typeof step !== "number" || typeof n !== "number" || typeof isBest !== "boolean") return undefined
  if (typeof protocol !== "string" || typeof dataset !== "string" || typeof metric !== "string") return undefined
  return { step, protocol, dataset, n, validation, chance, metric, isBest }
}

const figuresIn = (value: unknown): Readonly<Record<string, number>> | undefined => {
  const found = recordOf(value)
  if (found === undefined || !Object.values(found).every(isFigure)) return undefined
  return Object.fromEntries(
    Object.entries(found).map(([name, figure]) => [name, figureOf(figure)])
  )
}
