import * as tf from "@tensorflow/tfjs-core"
import { Effect, Schedule, type Scope } from "effect"
import type { BackendShape, UnitError } from "../backend.ts"
import { checkCanaries } from "../canary.ts"
import { BackendError, type CanaryFailed } from "../errors.ts"
import { findAdapter, type FoundAdapter } from "./adapter.ts"
import { checkDevice } from "./canary.ts"
import { type Units, unitsOn } from "./engine.ts"
import { planOnWebgpu } from "./planning.ts"
import { registerWebgpu, type WebgpuEngine } from "./register.ts"

/** An engine that passed its canaries, with the units that run on it. */
interface Running {
  readonly engine: WebgpuEngine
  readonly units: Units
  /** Bytes of the largest binding that was tried. */
  readonly triedBytes: number
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
    const triedBytes = yield* checkCanaries({ name: engine.name, ...units }).pipe(
      Effect.andThen(checkDevice(engine, units)),
      Effect.onError(() => Effect.sync(engine.close))
    )
    return { engine, units, triedBytes }
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
    const { engine: { path, gpu: { limits } }, triedBytes } = held.running
    const kind = adapter.isSoftware ? "a software adapter, slow" : "a GPU"
    const tried = `bindings tried to ${Math.round(triedBytes / 2 ** 20)} MiB`
    return {
      name: "webgpu",
      path,
      threads: 1,
      announcement: `backend webgpu: ${path} (${why}; ${kind}; ${tried})`,
      sync: (unit) => Effect.suspend(() => held.running.units.sync(unit)),
      read: (tensor) => Effect.suspend(() => held.running.units.read(tensor)),
      readLater: (tensor) => Effect.suspend(() => held.running.units.readLater(tensor)),
      restart: Effect.uninterruptible(Effect.gen(function* () {
        const found = yield* again(adapter.name)
        held.running.engine.close()
        held.running = yield* start(found)
      })),
      memory: Effect.sync(() => {
        const { bytesInUse, peakBytes } = held.running.engine.memory()
        return { bytesInUse, peakBytes, numTensors: tf.memory().numTensors }
      }),
      memoryOf: adapter.isSoftware ? "host" : "device",
      planOn: planOnWebgpu(limits, { info: adapter.adapter.info })
    }
  })
