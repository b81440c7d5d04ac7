import { Effect } from "effect"
import type { Evaluation, Evaluator } from "../lib/api/index.ts"
import type { Encoders } from "../lib/api/index.ts"
import type { UnitError } from "../lib/backend/index.ts"
import type { MetricMode } from "./bestCheckpoint.ts"
import { type ConfigInvalid, invalid } from "./errors.ts"
import type { AnyDataset, ErrorOf, FitsEvaluator, ServicesOf } from "./fits.ts"
import { fitting } from "./fits.ts"
import type { AnyRecord } from "./record.ts"

/**
 * What is asked while a model trains, and what follows from it. `evaluator` and `dataset` must fit each other, as in
 * `Pipeline.evaluate`.
 *
 * @example
 * ```ts
 * import { diffClip, Pipeline, retrieval, webdataset } from "diffclip"
 * import { live } from "diffclip/node"
 * import { Effect } from "effect"
 *
 * const program = Pipeline.train(diffClip, webdataset("shards/train"), { length: { epochs: 20 } }, {
 *   validate: {
 *     every: 500,
 *     evaluator: retrieval,
 *     dataset: webdataset("shards/val"),
 *     metric: "imageRetrievalRecall@1",
 *     patience: 5
 *   }
 * })
 * await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(live({ dir: "runs/first" }))))
 * ```
 */
export interface Validate<S, Result extends Evaluation, Err, D> {
  /** Steps between validations; the last step is always validated. */
  readonly every: number
  readonly evaluator: Evaluator<S, Result, Err>
  readonly dataset: FitsEvaluator<S, D>
  /** The metric of the evaluator's result that decides which checkpoint is the best. */
  readonly metric: keyof Result["metrics"] & string
  /** Whether more is better (`max`, the default) or less. */
  readonly mode?: MetricMode
  /** Validations in a row without a better value after which the run ends. Default: none, it runs its length. */
  readonly patience?: number
}

/** A validation whose evaluator and data set are closed in. */
export interface Validation<E, R> {
  readonly every: number
  readonly metric: string
  readonly mode: MetricMode
  readonly patience: number | undefined
  /** Looks whether the data can be reached, and gives what `config.json` holds under `validate`. */
  readonly open: Effect.Effect<AnyRecord, E, R>
  readonly run: (encoders: Encoders<UnitError>) => Effect.Effect<Evaluation, E | UnitError, R>
}

const isCount = (n: number | undefined): boolean => n === undefined || (Number.isInteger(n) && n > 0)

/** Closes evaluator and data set in. Fails with ConfigInvalid for counts that are none, and for cached embeddings. */
export const validationOf = <S, Result extends Evaluation, Err, D extends AnyDataset>(
  { every, evaluator, dataset, metric, mode = "max", patience }: Validate<S, Result, Err, D>
): Effect.Effect<Validation<Err | ErrorOf<D>, ServicesOf<D>>, ConfigInvalid> => {
  if (!isCount(every)) return Effect.fail(invalid("validate.every", `expected a number of steps, found ${every}`))
  if (!isCount(patience)) {
    return Effect.fail(invalid("validate.patience", `expected a number of validations, found ${patience}`))
  }
  const fit = fitting<S, D>(dataset)
  const { name, check = Effect.void, fingerprint = Effect.succeed(null) } = fit
  if ("rowOf" in fit) {
    const found = `${name}, which holds embeddings that another model gave`
    return Effect.fail(
      invalid("validate.dataset", `expected pictures, which the training model embeds, found ${found}`)
    )
  }
  return Effect.succeed({
    every,
    metric,
    mode,
    patience,
    open: Effect.map(Effect.andThen(check, fingerprint), (print) => ({
      every,
      protocol: evaluator.name,
      dataset: { name, fingerprint: print },
      metric,
      mode,
      patience: patience ?? null
    })),
    run: (encoders) => evaluator.run(encoders, fit)
  })
}
