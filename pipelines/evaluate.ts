import { Effect } from "effect"
import type { DatasetFor, DualEncoder, Evaluation, Evaluator, Trained } from "../lib/api/index.ts"
import type { UnitError } from "../lib/backend/index.ts"
import { Backend } from "../lib/backend/index.ts"
import type { Params } from "../lib/tensor/index.ts"
import { makeEncoders } from "./encoders.ts"

/**
 * Asks a trained model about a data set by a protocol. Data last but one, so that it composes by `pipe`:
 * `Pipeline.train(diffClip, cc3m).pipe(Effect.flatMap(Pipeline.evaluate(zeroShot, imagenet)))`.
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
 * Effect.runPromise(program)
 * ```
 */
export const evaluate =
  <S, Result extends Evaluation, Err, DE, R>(evaluator: Evaluator<S, Result, Err>, dataset: DatasetFor<S, DE, R>) =>
  <P extends Params>(trained: Trained<DualEncoder<P>>): Effect.Effect<Result, UnitError | Err | DE, R | Backend> =>
    Effect.gen(function* () {
      const backend = yield* Backend
      return yield* evaluator.run(makeEncoders(trained.model, trained.params, backend), dataset)
    })
