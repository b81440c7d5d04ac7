import * as tf from "@tensorflow/tfjs-core"
import { Effect, Schedule, type Scope } from "effect"
import type { BackendShape, UnitError } from "../backend.ts"
import { checkCanaries } from "../canary.ts"
import { BackendError, type CanaryFailed } from "../errors.ts"
import { findAdapter, type FoundAdapter } from "./adapter.ts"
import { type Units, unitsOn } from "./engine.ts"
import { registerWebgpu, type WebgpuEngine } from "./register.ts"

/** An engine that passed its canaries, with the units that run on it. */
interface Running {
  readonly engine: WebgpuEngine
  readonly units: Units
}

const start = (adapter: FoundAdapter): Effect.Effect<Running, UnitError | CanaryFailed> =>
  Effect.gen(function* () {
    const engine = yield* Effect.tryPromise({
      try: () => registerWebgpu(adapter),
      catch: (cause) =>
        cause instanceof BackendError ?
          cause :
          new BackendError({ backend: "webgpu", reason: "unavailable", cause, message: String(cause) })
    })
    const units = unitsOn(engine)
    yield* checkCanaries({ name: engine.name, ...units }).pipe(Effect.onError(() => Effect.sync(engine.close)))
    return { engine, units }
  })

/** The adapter by that name; a device that was just lost may take the driver with it for a moment. */
const again = (name: string): Effect.Effect<FoundAdapter, BackendError> =>
  Effect.flatMap(Effect.promise(findAdapter), (search) => {
    if ("found" in search && search.found.name === name) return Effect.succeed(search.found)
    const found = "found" in search ? `only ${search.found.name}` : search.missing
    const message = `backend webgpu: expected ${name} again after its device was lost, found ${found}`
    return Effect.fail(new BackendError({ backend: "webgpu", reason: "unavailable", message }))
  }).pipe(Effect.retry({ times: 3, schedule: Schedule.spaced("1 second") }))

/**
 * The engine on an adapter until the scope closes. Its device can be replaced by another one of an adapter of the same
 * name: then a new engine, under a name of its own, stands behind the same `sync` and `read`.
 */
export const openOn = (
  adapter: FoundAdapter,
  why: string
): Effect.Effect<BackendShape, UnitError | CanaryFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const held = yield* Effect.acquireRelease(
      Effect.map(start(adapter), (running) => ({ running })),
      (opened) => Effect.sync(() => opened.running.engine.close())
    )
    const { engine: { path } } = held.running
    return {
      name: "webgpu",
      path,
      threads: 1,
      announcement: `backend webgpu: ${path} (${why})`,
      sync: (unit) => Effect.suspend(() => held.running.units.sync(unit)),
      read: (tensor) => Effect.suspend(() => held.running.units.read(tensor)),
      readLater: (tensor) => Effect.suspend(() => held.running.units.readLater(tensor)),
      restart: Effect.uninterruptible(Effect.gen(function* () {
        const found = yield* again(adapter.name)
        held.running.engine.close()
        held.running = yield* start(found)
      })),
      memory: Effect.sync(() => {
        const { bytesInUse, allocatedBytes } = held.running.engine.memory()
        // Buffers are kept for later tensors and never given back, so what was allocated is the peak.
        return { bytesInUse, peakBytes: allocatedBytes, numTensors: tf.memory().numTensors }
      })
    }
  })
