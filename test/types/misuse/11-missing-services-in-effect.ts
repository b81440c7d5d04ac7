// The same with Effect's own runner
// Effect's own runners list the services, and stop at the first; `Pipeline.run` says what gives them.
import { diffClip, Pipeline } from "diffclip"
import { Effect } from "effect"

const program = Pipeline.load(diffClip, "runs/first").pipe(Effect.orDie, Effect.scoped)

export const done: Promise<unknown> =
  // @ts-expect-error is not assignable to type 'never'
  Effect.runPromise(program)
