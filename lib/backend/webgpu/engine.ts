import type { Tensor } from "@tensorflow/tfjs-core"
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

/**
 * `sync` and `read` of a WebGPU engine. A unit ends when the device has taken its commands; an error that it reports
 * fails the unit, or the read in which it shows, and all that come after, since a dropped command leaves zeros.
 */
export const unitsOn = ({ name, flush, faults }: WebgpuEngine): Pick<BackendShape, "sync" | "read"> => {
  const unlessBroken = <A>(work: () => Effect.Effect<A, UnitError>): Effect.Effect<A, UnitError> =>
    Effect.uninterruptible(Effect.suspend(() => {
      const fault = faults.first()
      return fault === undefined ? work() : Effect.fail(fault)
    }))
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
        return orFault(settled, value)
      }),
    read: (tensor: Tensor) =>
      unlessBroken(() => {
        const { value, settled } = faults.watch(() => tensor.data())
        const numbers = Effect.tryPromise({
          try: () => value,
          catch: (cause) =>
            new BackendError({
              backend: name,
              reason: "failed",
              cause,
              message: `${name}: a tensor of ${tensor.size} numbers could not be read back: ${String(cause)}`
            })
        })
        // What the device reported explains a failed read better than the read itself.
        return Effect.flatMap(Effect.exit(numbers), (exit) => orFault(settled, exit)).pipe(
          Effect.map((found) => Float32Array.from(found)) // tfjs keeps the array that it hands out
        )
      })
  }
}
