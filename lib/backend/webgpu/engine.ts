import { Effect } from "effect"
import { attempt, type BackendShape, type UnitError } from "../backend.ts"
import { BackendError } from "../errors.ts"
import type { Fault } from "./faults.ts"
import type { WebgpuEngine } from "./register.ts"

/** An outcome, unless the device has reported something meanwhile. */
const orFault = <A>(
  settled: Promise<Fault | undefined>,
  outcome: Effect.Effect<A, UnitError>
): Effect.Effect<A, UnitError> =>
  Effect.flatMap(Effect.promise(() => settled), (fault) => fault === undefined ? outcome : Effect.fail(fault))

/** How long after a failed read a device may take to say that it is lost, which explains the failure. */
const LOSS_IS_KNOWN_WITHIN = "1 second"

/** `sync` and both ways of reading. */
export type Units = Pick<BackendShape, "sync" | "read"> & Required<Pick<BackendShape, "readLater">>

/**
 * `sync`, `read` and `readLater` of a WebGPU engine. A unit ends when the device has taken its commands, not when it has
 * done them; an error that it reports fails the unit, or the read in which it shows, and all that come after, since a
 * dropped command leaves zeros.
 */
export const unitsOn = ({ name, flush, faults }: Pick<WebgpuEngine, "name" | "flush" | "faults">): Units => {
  const unlessBroken = <A>(work: () => Effect.Effect<A, UnitError>): Effect.Effect<A, UnitError> =>
    Effect.uninterruptible(Effect.suspend(() => {
      const fault = faults.first()
      return fault === undefined ? work() : Effect.fail(fault)
    }))
  const awaitLoss = Effect.timeoutOption(Effect.interruptible(Effect.promise(() => faults.lost)), LOSS_IS_KNOWN_WITHIN)
  const readLater: Units["readLater"] = (tensor) =>
    unlessBroken(() => {
      const { value, settled } = faults.watch(() => tensor.data())
      value.catch(() => undefined) // whoever waits hears of it; a wait that nobody takes up must not end the process
      const numbers = Effect.tryPromise({
        try: () => value,
        catch: (cause) =>
          new BackendError({
            backend: name,
            reason: "failed",
            cause,
            message: `${name}: a tensor of ${tensor.size} numbers could not be read back: ${String(cause)}`
          })
      }).pipe(Effect.tapError(() => awaitLoss))
      // What the device has reported by then explains a failed read better than the read itself.
      const wait = Effect.flatMap(Effect.exit(numbers), (exit) =>
        Effect.flatMap(
          Effect.promise(() => settled),
          (found) => {
            const fault = faults.first() ?? found
            return fault === undefined ? exit : Effect.fail(fault)
          }
        )).pipe(
          Effect.map((found) => Float32Array.from(found)) // tfjs keeps the array that it hands out
        )
      return Effect.succeed(wait)
    })
  return {
    sync: (unit) =>
      unlessBroken(() => {
        const { value, settled } = faults.watch(() =>
          attempt(name, () => {
            const result = unit()
            flush() // so that errors of encoding are this unit's
            return result
          })
        )
        // A lost device may throw out of tfjs, too; then the loss is what happened.
        const outcome = Effect.tapDefect(value, () => awaitLoss)
        return Effect.flatMap(Effect.exit(outcome), (exit) => {
          const fault = faults.first()
          return fault === undefined ? orFault(settled, exit) : Effect.fail(fault)
        })
      }),
    read: (tensor) => Effect.uninterruptible(Effect.flatten(readLater(tensor))),
    readLater
  }
}
