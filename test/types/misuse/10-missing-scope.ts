// Running a program without a scope
// Weights live until their scope closes: pipe the program through `Effect.scoped`, at its end.
import { diffClip, Pipeline } from "diffclip"
import { live } from "diffclip/node"
import { Effect } from "effect"

const program = Pipeline.load(diffClip, "runs/first").pipe(Effect.provide(live()), Effect.orDie)

export const done: Promise<unknown> =
  // @ts-expect-error the weights need a scope to live in: pipe the program through Effect.scoped
  Pipeline.run(program)
