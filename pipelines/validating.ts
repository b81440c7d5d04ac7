import { Effect } from "effect"
import type { BackendShape, UnitError } from "../lib/backend/index.ts"
import type { CheckpointError } from "../lib/checkpoint/index.ts"
import type { LogError, ProgressShape } from "../lib/track/index.ts"
import { isBetter, validationsSince } from "./bestCheckpoint.ts"
import { makeEncoders } from "./encoders.ts"
import { type ConfigInvalid, invalid } from "./errors.ts"
import type { Position } from "./position.ts"
import type { OpenRun } from "./runDirectory.ts"
import { historyOf } from "./sameRun.ts"
import type { Saver } from "./saving.ts"
import type { Recipe } from "./training.ts"
import type { TwoTowerParams } from "./trainStep.ts"
import type { Validation } from "./validate.ts"

/** What a validation happens in. */
export interface Validating<P extends TwoTowerParams, S> {
  readonly recipe: Recipe<P, S>
  readonly run: OpenRun<P, S>
  readonly position: Position<P, S>
  readonly saver: Saver
  readonly progress: ProgressShape
  readonly steps: number
}

const encodersAt = <P extends TwoTowerParams, S>(
  { model, backend }: { readonly model: Recipe<P, S>["model"]; readonly backend: BackendShape },
  { params }: Position<P, S>
) => makeEncoders(model, params, backend)

/**
 * Validates the step at which the run stands, where that is due and was not done before, and says whether the run goes
 * on. It reads the weights and nothing else of the run, so training is the same with it and without. The result is in the
 * log, and the best step's checkpoint on disk, before anything can interrupt; what is interrupted before is asked again
 * by the run that resumes.
 */
export const validateIfDue = <P extends TwoTowerParams, S, E, R>(
  { every, metric, mode, patience, run: ask }: Validation<E, R>,
  { recipe, run, position, saver, progress, steps }: Validating<P, S>
): Effect.Effect<boolean, E | UnitError | CheckpointError | LogError | ConfigInvalid, R> =>
  Effect.gen(function* () {
    const { step } = position
    const { validated } = run
    const isDue = step > 0 && (step % every === 0 || step === steps)
    if (isDue && validated.step < step) { // a step that a lost device made to be repeated was validated
      const { protocol, dataset, n, metrics, chance } = yield* ask(encodersAt(recipe, position))
      const value = metrics[metric]
      if (value === undefined) {
        const known = Object.keys(metrics).join(", ")
        return yield* invalid("validate.metric", `expected a metric of ${protocol} (${known}), found ${metric}`)
      }
      const isBest = isBetter(value, validated.best, mode)
      const entry = { step, protocol, dataset, n, validation: metrics, chance, metric, isBest }
      yield* Effect.uninterruptible(Effect.gen(function* () {
        yield* run.log.appendValidation(entry)
        validated.step = step
        if (isBest) validated.best = { step, metric, value }
        if (isBest && step < steps) yield* saver.save
      }))
      yield* progress.validated(entry)
    }
    if (patience === undefined || step === 0 || step >= steps) return step < steps
    const { best } = validated
    const since = Math.max(best?.step ?? 0, ...historyOf(run.record).map((extension) => extension.step))
    const waited = validationsSince(since, step, every)
    if (waited < patience || validated.step !== step) return true
    const reached = best === null ? "none was a number" : `the best is ${best.value} at step ${best.step}`
    yield* progress.note(`stopping after step ${step}: no better ${metric} in ${waited} validations, ${reached}`)
    return false
  })
