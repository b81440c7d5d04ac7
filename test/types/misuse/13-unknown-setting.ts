// A setting that does not exist
// The compiler knows every setting; the same record in JSON fails with `ConfigInvalid`, which lists unknown keys.
import { cc3m, diffClip, Pipeline } from "diffclip"

export const program: unknown =
  // @ts-expect-error 'warmUp' does not exist
  Pipeline.train(diffClip, cc3m, { schedule: { warmUp: { epochs: 1 } } })
