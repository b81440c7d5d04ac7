import type { FileSystem, Path, PlatformError } from "effect"
import { Effect } from "effect"

/** A checkpoint's folder in a run directory. */
export interface StepFolder {
  readonly step: number
  readonly folder: string
}

/** The folders of a run's checkpoints, newest first, and the leftovers of saves that were cut short. */
export interface RunFolder {
  readonly steps: ReadonlyArray<StepFolder>
  readonly leftovers: ReadonlyArray<string>
}

/** The folder of a step, under `checkpoints`. */
export const stepName = (step: number): string => `step-${step}`
/** Where a step is written before it is renamed. */
export const newName = (step: number): string => `step-${step}.new`
/** Where a step lies for the moment in which another save of the same step takes its place. */
export const oldName = (step: number): string => `step-${step}.old`

const pattern = /^step-(\d{1,15})(\.new|\.old)?$/

/**
 * What lies in a run's `checkpoints` folder; nothing where there is none. `step-N.old` counts as step N while there is no
 * `step-N`: the save that moved it away was cut before its second rename.
 */
export const listRun = (
  fs: FileSystem.FileSystem,
  path: Path.Path,
  dir: string
): Effect.Effect<RunFolder, PlatformError.PlatformError> =>
  Effect.gen(function* () {
    const root = path.join(dir, "checkpoints")
    if (!(yield* fs.exists(root))) return { steps: [], leftovers: [] }
    const names = new Set(yield* fs.readDirectory(root))
    const steps: Array<StepFolder> = []
    const leftovers: Array<string> = []
    for (const name of names) {
      const [, digits, ending] = pattern.exec(name) ?? []
      if (digits === undefined) continue
      const isStep = ending === undefined || (ending === ".old" && !names.has(stepName(Number(digits))))
      if (isStep) steps.push({ step: Number(digits), folder: path.join(root, name) })
      else leftovers.push(path.join(root, name))
    }
    return { steps: steps.sort((a, b) => b.step - a.step), leftovers }
  })

/**
 * The steps to keep once `saved` is in place: it, the newest before it, and the best. Later ones belong to a history that
 * was left when the run went on from an earlier step.
 */
export const stepsToKeep = (
  steps: ReadonlyArray<number>,
  saved: number,
  best: number | undefined
): ReadonlySet<number> => {
  const before = steps.filter((step) => step < saved).sort((a, b) => b - a).slice(0, 1)
  return new Set([saved, ...before, ...(best === undefined ? [] : [best])])
}
