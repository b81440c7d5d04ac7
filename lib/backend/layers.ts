import * as tf from "@tensorflow/tfjs-core"
import { Config, Effect, Layer, Option, type Scope } from "effect"
import { Backend, type BackendShape, readOn, syncOn, type UnitError } from "./backend.ts"
import { checkCanaries } from "./canary.ts"
import { BlasUnavailable } from "./cpu/blas/errors.ts"
import { BLAS_VARIABLE, findBlas } from "./cpu/blas/find.ts"
import type { ArithmeticName } from "./cpu/choose.ts"
import { planOnCpu } from "./cpu/planning.ts"
import { registerCpu } from "./cpu/register.ts"
import { BackendError, type CanaryFailed } from "./errors.ts"
import type { FoundAdapter } from "./webgpu/adapter.ts"

/** Settings of the CPU engine. */
export interface CpuOptions {
  /** Threads that share a large kernel; default 2 where there are cores for it. Bits do not depend on it. */
  readonly threads?: number
  /** Which arithmetic the products use; default `best`. */
  readonly arithmetic?: ArithmeticName
  /**
   * A BLAS library to use, by path or by a name that the system's loader resolves; default the environment's
   * DIFFCLIP_BLAS, else OpenBLAS, MKL or Accelerate where the system has one.
   */
  readonly blas?: string
}

/** Settings of the WebGPU engine. */
export interface WebgpuOptions {
  /**
   * What to do where the only adapter is a program on the CPU (SwiftShader, llvmpipe): it is right but far slower than
   * the CPU engine. Default `refuse`.
   */
  readonly softwareAdapter?: "refuse" | "allow"
}

/** Why a layer gives no engine. */
export type OpenError = CanaryFailed | UnitError

type Open = Effect.Effect<BackendShape, OpenError, Scope.Scope>

/** What keeps the engine from starting, in words that say what to do. */
const whyNot = (cause: unknown): string => {
  // A page without the name can still make shared memory, and can be told that it has threads only with the headers.
  if (globalThis.SharedArrayBuffer === undefined && !(cause instanceof RangeError)) {
    return "the CPU engine did not start: this runtime has no SharedArrayBuffer. In a browser, serve the page with " +
      "Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp"
  }
  const words = cause instanceof Error ? cause.message : String(cause)
  return cause instanceof WebAssembly.CompileError ?
    `the CPU engine did not start: this runtime's WebAssembly has no SIMD or no threads (${words}). Use a newer one` :
    `the CPU engine did not start: ${words}`
}

const openCpu = (options: CpuOptions, why: string): Open =>
  Effect.gen(function* () {
    const environmentBlas = yield* Effect.orDie(Config.option(Config.String(BLAS_VARIABLE)))
    const engine = yield* Effect.acquireRelease(
      Effect.tryPromise({
        try: () =>
          registerCpu({
            ...options,
            ...(Option.isSome(environmentBlas) ? { environmentBlas: environmentBlas.value } : {})
          }),
        catch: (cause) => new BackendError({ backend: "cpu", reason: "unavailable", cause, message: whyNot(cause) })
      }),
      (opened) => Effect.sync(() => opened.close())
    )
    const sync = syncOn(engine.name)
    const read = readOn(sync)
    yield* checkCanaries({ name: engine.name, sync, read })
    return {
      name: "cpu",
      path: engine.path,
      threads: engine.threads,
      announcement: `backend cpu: ${engine.path}, ${engine.threads} thread${
        engine.threads === 1 ? "" : "s"
      } (${why}; ${engine.reason})`,
      sync,
      read,
      memory: Effect.sync(() => ({ ...engine.memory(), numTensors: tf.memory().numTensors })),
      planOn: planOnCpu
    }
  })

/** Nothing of WebGPU, tfjs's nor ours, is loaded before it is asked for. */
const loadWebgpu = {
  adapter: Effect.promise(() => import("./webgpu/adapter.ts")),
  open: Effect.promise(() => import("./webgpu/open.ts"))
}

/** The machine's adapter, or the reason why it has none. */
const search = Effect.flatMap(loadWebgpu.adapter, ({ findAdapter }) => Effect.promise(findAdapter))

const openWebgpu = (adapter: FoundAdapter, why: string): Open =>
  Effect.flatMap(loadWebgpu.open, ({ openOn }) => openOn(adapter, why))

const unavailable = (message: string): BackendError =>
  new BackendError({ backend: "webgpu", reason: "unavailable", message: `backend webgpu: ${message}` })

const namedWebgpu = ({ softwareAdapter = "refuse" }: WebgpuOptions): Open =>
  Effect.flatMap(search, (result) => {
    if ("missing" in result) return Effect.fail(unavailable(`no WebGPU, ${result.missing}: ${result.advice}`))
    const { name, isSoftware } = result.found
    if (!isSoftware) return openWebgpu(result.found, "asked for")
    if (softwareAdapter === "allow") return openWebgpu(result.found, "asked for")
    return Effect.fail(unavailable(
      `the only adapter is ${name}, a program on the CPU that is far slower than the CPU engine. Use --backend cpu, or ` +
        'pass --allow-software-adapter (softwareAdapter: "allow" in code) to train on it all the same'
    ))
  })

/** WebGPU where a real adapter runs it right, else the CPU engine and why. */
const best = (options: CpuOptions): Open =>
  Effect.flatMap(search, (result) => {
    if ("missing" in result) return openCpu(options, `auto: no WebGPU, ${result.missing}`)
    const { name, isSoftware } = result.found
    if (isSoftware) return openCpu(options, `auto: the only WebGPU adapter is ${name}, which is software`)
    return openWebgpu(result.found, "auto: a real adapter").pipe(
      Effect.catch((error) => openCpu(options, `auto: WebGPU was refused, ${error.message}`))
    )
  })

/** Our CPU engine: tensors in shared WebAssembly memory, SIMD kernels, the same bits whatever the number of threads. */
export const cpu = (options: CpuOptions = {}): Layer.Layer<Backend, OpenError> =>
  Layer.effect(Backend, openCpu(options, "asked for"))

/**
 * Our fused kernels, and tfjs's for the rest, on a WebGPU device of our own: through `navigator.gpu` in Deno and browsers, through npm `webgpu` (Dawn)
 * on Node and Bun where it is installed. Fails with BackendError where there is no adapter.
 */
export const webgpu = (options: WebgpuOptions = {}): Layer.Layer<Backend, OpenError> =>
  Layer.effect(Backend, namedWebgpu(options))

/** The best engine for the machine: WebGPU on a real adapter, else the CPU engine. It says what it took and why. */
export const auto: Layer.Layer<Backend, OpenError> = Layer.effect(Backend, best({}))

/** The names that `--backend` takes. */
export const backendNames = ["auto", "cpu", "cpu-blas", "cpu-wasm", "cpu-wasm-deterministic", "webgpu"] as const
/** A name that `--backend` takes. */
export type BackendName = (typeof backendNames)[number]

const arithmetics: Partial<Readonly<Record<BackendName, ArithmeticName>>> = {
  "cpu-blas": "blas",
  "cpu-wasm": "wasm",
  "cpu-wasm-deterministic": "deterministic"
}

/** The layer behind a name. */
export const byName = (
  name: BackendName,
  options: CpuOptions & WebgpuOptions = {}
): Layer.Layer<Backend, OpenError> => {
  if (name === "auto") return Layer.effect(Backend, best(options))
  if (name === "webgpu") return webgpu(options)
  const arithmetic = arithmetics[name]
  return cpu(arithmetic === undefined ? options : { ...options, arithmetic })
}

/** The adapter that WebGPU finds here, in words, or why there is none and how to get one. */
export const describeAdapter: Effect.Effect<string> = Effect.map(search, (result) => {
  if ("missing" in result) return `no WebGPU, ${result.missing}: ${result.advice}`
  const { name, isSoftware } = result.found
  return isSoftware ? `${name}, software: auto does not take it, training refuses it unless told` : name
})

/** A BLAS that products can go to here, or why there is none and how to get one. */
export interface BlasFinding {
  readonly isFound: boolean
  /** The library with its name, version and kernels, or what was tried. */
  readonly found: string
}

/** Looks for a BLAS as the CPU engine does: DIFFCLIP_BLAS, else well-known names; each is tested. */
export const describeBlas: Effect.Effect<BlasFinding> = Effect.flatMap(
  Effect.orDie(Config.option(Config.String(BLAS_VARIABLE))),
  (environment) =>
    Effect.tryPromise({
      try: () => findBlas({ environment: Option.getOrUndefined(environment) }),
      catch: (cause) => cause
    }).pipe(
      Effect.map(({ choice, description }): BlasFinding => ({
        isFound: true,
        found: `${choice.path}: ${description}`
      })),
      Effect.catch((cause) =>
        cause instanceof BlasUnavailable ?
          Effect.succeed<BlasFinding>({ isFound: false, found: `products run in WebAssembly: ${cause.message}` }) :
          Effect.die(cause)
      )
    )
)
