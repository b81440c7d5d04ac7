// Running a program without its services
// `Effect.provide(live({ dir: "runs/first" }))` gives all that are listed.
import { diffClip, Pipeline } from "diffclip"
import { Effect } from "effect"

const program = Pipeline.load(diffClip, "runs/first").pipe(Effect.orDie, Effect.scoped)

export const done: Promise<unknown> =
  // @ts-expect-error services are missing: Effect.provide(live()) with live from diffclip/node gives
  Pipeline.run(program)
