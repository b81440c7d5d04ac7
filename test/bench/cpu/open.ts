/** The engines of the benchmark: ours by name, and tfjs's own. */
import * as tf from "@tensorflow/tfjs-core"
import { createRequire } from "node:module"
import { dirname } from "node:path"
import process from "node:process"
import { Effect, ManagedRuntime } from "effect"
import { Backend, type BackendName, backendNames, byName } from "../../../lib/backend/index.ts"

/** tfjs's own backends, that our step runs on through the compositions of lib/ops. */
export const stockNames = ["tfjs-wasm", "tfjs-cpu"] as const
/** One of them. */
export type StockName = (typeof stockNames)[number]

/** An engine that is ready. */
export interface Opened {
  /** In words: path and threads. */
  readonly engine: string
  readonly version: string
  /** Runs a synchronous unit on it. */
  readonly sync: <A>(unit: () => A) => Promise<A>
  /** The engine's own count of its tensors' largest size so far; undefined where it does not count. */
  readonly peakBytes: () => Promise<number | undefined>
}

const isStock = (name: string): name is StockName => stockNames.some((stock) => stock === name)
const isOurs = (name: string): name is BackendName => backendNames.some((ours) => ours === name)

/** The one kernel of our step that tfjs's wasm backend lacks, the gradient of a gather: a plain loop, a small part of it. */
const segmentSum: tf.KernelConfig = {
  kernelName: "UnsortedSegmentSum",
  backendName: "wasm",
  kernelFunc: ({ inputs: { x, segmentIds }, attrs }) => {
    if (x === undefined || segmentIds === undefined) throw new Error("UnsortedSegmentSum: expected x and segmentIds")
    const numSegments = Number(attrs?.["numSegments"])
    const [values, ids] = [tf.backend().readSync(x.dataId), tf.backend().readSync(segmentIds.dataId)]
    const shape = [numSegments, ...x.shape.slice(segmentIds.shape.length)]
    const width = shape.slice(1).reduce((product, size) => product * size, 1)
    const sums = new Float32Array(numSegments * width)
    for (let i = 0; i < ids.length; i++) {
      const into = Number(ids[i]) * width
      for (let j = 0; j < width; j++) sums[into + j] = (sums[into + j] ?? 0) + Number(values[i * width + j])
    }
    return tf.tensor(sums, shape, "float32")
  }
}

const openStock = async (name: StockName): Promise<Opened> => {
  const tfName = name === "tfjs-wasm" ? "wasm" : "cpu"
  if (name === "tfjs-wasm") {
    const { setWasmPaths } = await import("@tensorflow/tfjs-backend-wasm")
    const main = createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm")
    setWasmPaths(`${dirname(dirname(main))}/wasm-out/`)
    tf.registerKernel(segmentSum)
  } else await import("@tensorflow/tfjs-backend-cpu")
  if (!await tf.setBackend(tfName)) throw new Error(`tfjs's ${tfName} backend did not start`)
  return {
    engine: `tfjs ${tf.version_core} ${tfName}`,
    version: `tfjs ${tf.version_core}`,
    sync: (unit) => Promise.resolve().then(unit),
    peakBytes: () => Promise.resolve(undefined)
  }
}

/** Opens an engine for as long as the process lives. Throws where the name or the engine does not exist here. */
export const openEngine = async (name: string, threads: number): Promise<Opened> => {
  if (isStock(name)) return openStock(name)
  if (!isOurs(name)) throw new Error(`expected ${[...backendNames, ...stockNames].join(", ")}, found ${name}`)
  const runtime = ManagedRuntime.make(byName(name, { threads }))
  const backend = await runtime.runPromise(Backend)
  return {
    engine: `${backend.path}, ${backend.threads} thread${backend.threads === 1 ? "" : "s"}`,
    version: backend.path,
    sync: (unit) => runtime.runPromise(backend.sync(unit)),
    peakBytes: () => runtime.runPromise(Effect.map(backend.memory, ({ peakBytes }) => peakBytes))
  }
}

/** `node 22.23.0`: what runs this. */
export const runtimeVersion = (): string => {
  const name = "Bun" in globalThis ? "bun" : "Deno" in globalThis ? "deno" : "node"
  return `${name} ${process.versions[name] ?? ""}`.trim()
}
