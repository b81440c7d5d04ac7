import * as tf from "@tensorflow/tfjs-core"
import { Effect, Layer } from "effect"
import { Backend, readOn, syncOn } from "./backend.ts"
import { checkCanaries } from "./canary.ts"
import { registerCpu } from "./cpu/register.ts"
import { BackendError, type CanaryFailed } from "./errors.ts"

/** Settings of the CPU engine. */
export interface CpuOptions {
  /** Threads that share a large kernel; default 2 where there are cores for it. Bits do not depend on it. */
  readonly threads?: number
}

const open = (options: CpuOptions, why: string): Layer.Layer<Backend, BackendError | CanaryFailed> =>
  Layer.effect(
    Backend,
    Effect.gen(function* () {
      const engine = yield* Effect.acquireRelease(
        Effect.tryPromise({
          try: () => registerCpu(options),
          catch: (cause) =>
            new BackendError({
              backend: "cpu",
              reason: "unavailable",
              cause,
              message: `the CPU engine did not start: ${
                String(cause)
              }. It needs WebAssembly with SIMD and shared memory`
            })
        }),
        (opened) => Effect.sync(() => opened.close())
      )
      yield* checkCanaries(engine.name, "cpu")
      const sync = syncOn(engine.name)
      return Backend.of({
        name: "cpu",
        path: engine.path,
        threads: engine.threads,
        announcement: `backend cpu: ${engine.path}, ${engine.threads} thread${
          engine.threads === 1 ? "" : "s"
        } (${why})`,
        sync,
        read: readOn(sync),
        memory: Effect.sync(() => ({ ...engine.memory(), numTensors: tf.memory().numTensors }))
      })
    })
  )

/** Our CPU engine: tensors in shared WebAssembly memory, SIMD kernels, the same bits whatever the number of threads. */
export const cpu = (options: CpuOptions = {}): Layer.Layer<Backend, BackendError | CanaryFailed> =>
  open(options, "asked for")

/** The best engine that this version has for the machine: the CPU engine. It says what it took and why. */
export const auto: Layer.Layer<Backend, BackendError | CanaryFailed> = open(
  {},
  "auto: this version has no WebGPU engine"
)

/** The names that `--backend` takes. */
export const backendNames = ["auto", "cpu", "cpu-blas", "cpu-wasm", "cpu-wasm-deterministic", "webgpu"] as const
/** A name that `--backend` takes. */
export type BackendName = (typeof backendNames)[number]

const missing = (backend: BackendName, what: string): Layer.Layer<Backend, BackendError> =>
  Layer.effect(
    Backend,
    Effect.fail(
      new BackendError({
        backend,
        reason: "unavailable",
        message: `backend ${backend}: this version has no ${what}; use auto or cpu`
      })
    )
  )

/** The layer behind a name. The first cut has one CPU engine, which is WebAssembly and deterministic. */
export const byName = (
  name: BackendName,
  options: CpuOptions = {}
): Layer.Layer<Backend, BackendError | CanaryFailed> => {
  if (name === "auto") return auto
  if (name === "webgpu") return missing(name, "WebGPU engine yet")
  if (name === "cpu-blas") return missing(name, "BLAS path yet")
  return cpu(options)
}
