import { Effect } from "effect"
import { CheckpointError, checkpointError, type CheckpointErrorReason, UnsafePickle, unsafePickle } from "../errors.ts"

/** How the synchronous parts of the reader say no: they throw what these make, and `attempt` catches just that. */
export interface PickleFailures {
  readonly file: string
  readonly malformed: (
    offset: number,
    expected: string,
    found: string,
    reason?: CheckpointErrorReason
  ) => CheckpointError
  readonly unsafe: (offset: number, refused: string) => UnsafePickle
}

/** The failures of a file. */
export const pickleFailures = (file: string): PickleFailures => ({
  file,
  malformed: (offset, expected, found, reason = "malformed") =>
    checkpointError({
      reason,
      file,
      expected: `${expected} at byte ${offset} of its pickle`,
      found,
      advice: reason === "unsupported" ?
        "convert it with the tool that wrote it" :
        "the file is damaged or no PyTorch checkpoint; fetch or write it again"
    }),
  unsafe: (offset, refused) => unsafePickle(file, refused, offset)
})

/** Runs a synchronous part: a CheckpointError or UnsafePickle that it throws is its failure, anything else a defect. */
export const attempt = <A>(run: () => A): Effect.Effect<A, CheckpointError | UnsafePickle> =>
  Effect.suspend((): Effect.Effect<A, CheckpointError | UnsafePickle> => {
    try {
      return Effect.succeed(run())
    } catch (error) {
      if (error instanceof CheckpointError || error instanceof UnsafePickle) return Effect.fail(error)
      throw error
    }
  })
