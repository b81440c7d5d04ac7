import { Effect } from "effect"
import type { FitsRun, SuccessOf } from "./fits.ts"
import { ready } from "./fits.ts"

/**
 * Runs a program to its end, as `Effect.runPromise` does: the promise is rejected with the program's error. When services
 * are missing, the compiler says which, and what gives them.
 *
 * @example
 * ```ts
 * import { cc3m, diffClip, Pipeline } from "diffclip"
 * import { live } from "diffclip/node"
 * import { Effect } from "effect"
 *
 * const program = Pipeline.train(diffClip, cc3m).pipe(Effect.scoped, Effect.provide(live({ dir: "runs/first" })))
 * await Pipeline.run(program)
 * ```
 */
export const run = <P extends Effect.Effect<unknown, unknown, unknown>>(program: FitsRun<P>): Promise<SuccessOf<P>> =>
  Effect.runPromise(ready<P>(program))
