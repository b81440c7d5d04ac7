import { Effect } from "effect"
import { dual } from "effect/Function"
import type { DualEncoder, Evaluation, Evaluator, Trained } from "../lib/api/index.ts"
import type { UnitError } from "../lib/backend/index.ts"
import { Backend } from "../lib/backend/index.ts"
import type { Params } from "../lib/tensor/index.ts"
import { makeEncoders } from "./encoders.ts"
import type { WidthMismatch } from "./errors.ts"
import { withCached } from "./embedDataset.ts"
import type { AnyDataset, ErrorOf, FitsEvaluator, FitsWidth, ServicesOf } from "./fits.ts"
import { fitting } from "./fits.ts"

/** How an evaluation can fail: engine, protocol, data set, and embeddings of another width, or lost ones. */
export type EvaluateError<Err, D> = UnitError | Err | ErrorOf<D> | WidthMismatch

/** `evaluate` with the model last, for `pipe`, or first. */
export interface Evaluate {
  <S, Result extends Evaluation, Err, D extends AnyDataset>(
    evaluator: Evaluator<S, Result, Err>,
    dataset: FitsEvaluator<S, D>
  ): <P extends Params, E extends number>(
    trained: Trained<DualEncoder<P, E>> & FitsWidth<D, E>
  ) => Effect.Effect<Result, EvaluateError<Err, D>, ServicesOf<D> | Backend>
  <P extends Params, E extends number, S, Result extends Evaluation, Err, D extends AnyDataset>(
    trained: Trained<DualEncoder<P, E>> & FitsWidth<D, E>,
    evaluator: Evaluator<S, Result, Err>,
    dataset: FitsEvaluator<S, D>
  ): Effect.Effect<Result, EvaluateError<Err, D>, ServicesOf<D> | Backend>
}

/**
 * Asks a trained model about a data set by a protocol: `Pipeline.evaluate(trained, zeroShot, imagenet)`, or with the
 * model last: `Pipeline.train(diffClip, cc3m).pipe(Effect.flatMap(Pipeline.evaluate(zeroShot, imagenet)))`. A data set
 * from `Pipeline.embedDataset` gives its pictures' embeddings instead of pictures.
 *
 * @example
 * ```ts
 * import { diffClip, Pipeline, retrieval, webdataset } from "diffclip"
 * import { live } from "diffclip/node"
 * import { Console, Effect } from "effect"
 *
 * const program = Pipeline.load(diffClip, "runs/first").pipe(
 *   Effect.flatMap(Pipeline.evaluate(retrieval, webdataset("shards/test"))),
 *   Effect.flatMap(({ metrics, chance }) => Console.log(metrics, chance)),
 *   Effect.scoped,
 *   Effect.provide(live())
 * )
 * await Effect.runPromise(program)
 * ```
 */
export const evaluate: Evaluate = dual(
  3,
  <P extends Params, S, Result extends Evaluation, Err, D extends AnyDataset>(
    trained: Trained<DualEncoder<P>>,
    evaluator: Evaluator<S, Result, Err>,
    dataset: FitsEvaluator<S, D>
  ): Effect.Effect<Result, UnitError | Err | ErrorOf<D> | WidthMismatch, ServicesOf<D> | Backend> =>
    Effect.gen(function* () {
      const backend = yield* Backend
      const fit = fitting<S, D>(dataset)
      const encoders = yield* withCached(makeEncoders(trained.model, trained.params, backend), fit)
      return yield* evaluator.run(encoders, fit)
    })
)
